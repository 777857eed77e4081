//! What can be changed while the simulator runs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::limit::RateLimit;

/// What can be changed while the simulator runs, with
/// [`Simulator::configure`](crate::Simulator::configure).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Wraps the payload of every success in `{"data": ...}`. Default: `false`.
    pub envelope: bool,
    /// Answers `profiles` and `templates` with a bare list, not with an object. Default: `false`.
    pub bare_lists: bool,
    /// Lists an image in the history of `ai-tools` even while it has no versions. Default: `true`.
    pub list_unedited: bool,
    /// Answers `finalize` with an empty body. Default: `false`.
    pub empty_finalize: bool,
    /// Makes a profile-based edit want `Content-Type: application/json`, not an empty one.
    /// Default: `false`.
    pub edit_wants_json: bool,
    /// Answers a call in the published form of its path with a 307 to the other form, with a slash
    /// at its end or without, and serves that one. Default: `false`, which knows the published
    /// form only.
    pub redirect_slashes: bool,
    /// How long each `copilot`, `enhance` and `finalize` call takes. Default: no time.
    pub latency: Duration,
    /// A limit on `copilot` and `enhance` calls. Default: none.
    pub rate_limit: Option<RateLimit>,
    /// How many polls see an edit or an export as `Pending` after it was accepted, before they see
    /// it in progress. Default: 0.
    pub pending_polls: u32,
    /// How many polls see an edit in progress. Default: 2.
    pub edit_polls: u32,
    /// How many polls see an export in progress. Default: 2.
    pub export_polls: u32,
    /// Takes a `callback_url` such as `http://127.0.0.1:8000/done`, and calls it when the edit is
    /// done. The host is `127.0.0.1`, `localhost` or `[::1]`, and there is a port. Default:
    /// `false`, which takes `https://` only, and calls none.
    pub local_callbacks: bool,
    /// How long after its beginning an edit with a `callback_url` on this machine is done, if
    /// polls have not ended it before, and the URL is called. Default: 0.1 s.
    pub callback_after: Duration,
    /// How long a presigned URL made from now on can be used. Default: one hour.
    pub link_lifetime: Duration,
    /// The least size of each part of an upload but the last. Default: 5 MiB, as on S3.
    pub min_part_size: u64,
    /// The least size of a JPEG in bytes. Default: 0, which makes about 250 bytes.
    pub jpeg_size: usize,
    /// How many bytes are kept of the body of a request and of an uploaded file. Default: 1 MiB.
    pub kept_bytes: usize,
    /// The presets of `enhance`, as `ai-tools` lists them. Default: four, with the key
    /// `enhancement_type`.
    pub presets: Vec<Value>,
    /// The profiles, as they are listed. Default: 5700 for RAW, 5701 for JPEG. One without
    /// `image_type` takes either.
    pub profiles: Vec<Value>,
    /// The sky templates, as they are listed. Default: 1 to 3.
    pub sky_templates: Vec<Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            envelope: false,
            bare_lists: false,
            list_unedited: true,
            empty_finalize: false,
            edit_wants_json: false,
            redirect_slashes: false,
            latency: Duration::ZERO,
            rate_limit: None,
            pending_polls: 0,
            edit_polls: 2,
            export_polls: 2,
            local_callbacks: false,
            callback_after: Duration::from_millis(100),
            link_lifetime: Duration::from_secs(3600),
            min_part_size: 5 << 20,
            jpeg_size: 0,
            kept_bytes: 1 << 20,
            presets: vec![
                preset("virtual_staging", "Virtual staging", false),
                preset("sky_replacement", "Sky replacement", true),
                preset("day_to_dusk", "Day to dusk", true),
                preset("object_removal", "Object removal", false),
            ],
            profiles: vec![
                profile(5700, "Raw light", "Personal", "RAW"),
                profile(5701, "Bright JPEG", "Talent", "JPG"),
            ],
            sky_templates: vec![
                json!({ "id": 1, "is_default": true }),
                json!({ "id": 2, "is_default": false }),
                json!({ "id": 3, "is_default": false }),
            ],
        }
    }
}

fn preset(id: &str, label: &str, enabled_for_batch: bool) -> Value {
    json!({ "enhancement_type": id, "label": label, "enabled_for_batch": enabled_for_batch })
}

fn profile(key: u64, name: &str, profile_type: &str, image_type: &str) -> Value {
    json!({
        "profile_key": key,
        "profile_name": name,
        "profile_type": profile_type,
        "image_type": image_type,
    })
}
