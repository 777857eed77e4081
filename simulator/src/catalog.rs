//! Calls that list what belongs to the account: profiles and sky templates.

use serde_json::{Value, json};

use crate::fields::Fields;
use crate::settings::Settings;
use crate::wire::{Answer, Received};

pub(crate) fn profiles(settings: &Settings, request: &Received) -> Result<Value, Answer> {
    Fields::query(request)?.end()?;
    Ok(listed("profiles", &settings.profiles, settings.bare_lists))
}

pub(crate) fn sky_templates(settings: &Settings, request: &Received) -> Result<Value, Answer> {
    Fields::query(request)?.end()?;
    let templates = &settings.sky_templates;
    Ok(listed("templates", templates, settings.bare_lists))
}

fn listed(name: &str, list: &[Value], is_bare: bool) -> Value {
    if is_bare {
        json!(list)
    } else {
        json!({ name: list })
    }
}
