//! The road to finished photos: profiles, projects, uploads, the edit, the export, and links to the files.

use crate::fields::{self, Field, Kind, QUERY_FLAG, rule};
use crate::project::{Project, ProjectSpec, Source, Status, image_type, stem};
use crate::service::{State, find, ready, state, text};
use crate::storage::date;
use crate::wire::{Answer, Received};
use serde_json::{Value, json};

/// The options of both kinds of edit.
const OPTIONS: [Field<'_>; 5] = [
    ("hdr_merge?", Kind::Flag),
    ("perspective_correction?", Kind::Flag),
    ("sky_replacement?", Kind::Flag),
    ("sky_replacement_template_id?", Kind::Number),
    ("callback_url?", Kind::Https),
];

/// The options of an edit with a profile alone.
const PROFILE_OPTIONS: [Field<'_>; 11] = [
    ("profile_key", Kind::Number),
    ("photography_type?", Kind::OneOf(&PHOTOGRAPHY_TYPES)),
    ("crop?", Kind::Flag),
    ("portrait_crop?", Kind::Flag),
    ("headshot_crop?", Kind::Flag),
    ("straighten?", Kind::Flag),
    ("smooth_skin?", Kind::Flag),
    ("subject_mask?", Kind::Flag),
    ("window_pull?", Kind::Flag),
    ("crop_aspect_ratio?", Kind::OneOf(&["2X3", "4X5", "5X7"])),
    ("hdr_output_compression?", Kind::OneOf(&["LOSSY", "LOSSLESS"])),
];

#[rustfmt::skip]
const PHOTOGRAPHY_TYPES: [&str; 11] = [
    "NO_TYPE", "OTHER", "PORTRAITS", "WEDDING", "REAL_ESTATE", "LANDSCAPE_NATURE", "EVENTS", "FAMILY_NEWBORN",
    "BOUDOIR", "SPORTS", "SCHOOL",
];

/// How many images a Smart Editing project needs.
const SMART_MINIMUM: usize = 5;

impl State {
    pub(crate) fn list_of(&self, request: &Received, name: &str, list: &[Value]) -> Result<Answer, Answer> {
        fields::query(request, &[])?;
        let bare = self.settings.bare_lists;
        self.success(if bare { list.into() } else { json!({ name: list }) })
    }

    pub(crate) fn create(&mut self, request: &Received, source: Source) -> Result<Answer, Answer> {
        let body = fields::body(request, &[("name?", Kind::Text)])?;
        let number = self.projects.len() + 1;
        let made_up = format!("Project {number} of {}", date(self.now()));
        let name = body["name"].as_str().unwrap_or(&made_up);
        if self.projects.iter().any(|project| project.spec.name == name) {
            let message = format!("Project with name '{name}' already exists");
            return Err(Answer::refused(400, message));
        }
        let id = format!("65f3a1c2d4e5f6a7{number:08x}");
        let spec = match source {
            Source::Regular => ProjectSpec::regular(&id),
            Source::I2i => ProjectSpec::i2i(&id),
        };
        let spec = spec.name(name).photo_count(0).status(Status::Pending).exported(false);
        self.projects.push(Project::new(spec, self.now()));
        self.success(json!({ "project_uuid": id }))
    }

    pub(crate) fn list(&mut self, request: &Received, source: Source) -> Result<Answer, Answer> {
        let mut known = vec![
            ("size?", Kind::Digits(1, 100)),
            ("page?", Kind::Digits(0, usize::MAX)),
            ("is_archived?", QUERY_FLAG),
        ];
        if source == Source::Regular {
            known.extend([("client_type?", Kind::Text), ("get_thumbnail?", QUERY_FLAG)]);
        }
        let query = fields::query(request, &known)?;
        let number = |name, default| text(&query, name).parse().unwrap_or(default);
        let (size, page): (usize, usize) = (number("size", 20), number("page", 0));
        let thumbnails = source == Source::Regular && query["get_thumbnail"] != "false";
        // All projects were made through the API, and none is archived.
        let any = query["is_archived"] != "true" && query["client_type"].as_str().is_none_or(|word| word == "API");
        let projects = self
            .projects
            .iter()
            .filter(|project| any && project.spec.source == source);
        let ids: Vec<String> = projects.map(|project| project.spec.id.clone()).collect();
        let on_page = ids.iter().skip(page.saturating_mul(size)).take(size);
        let projects: Result<Vec<Value>, Answer> = on_page.map(|id| self.describe(id, source, thumbnails)).collect();
        let pagination = json!({ "total": ids.len(), "size": size, "page": page });
        self.success(json!({ "projects": projects?, "pagination": pagination }))
    }

    pub(crate) fn id_of(&mut self, request: &Received, name: &str) -> Result<Answer, Answer> {
        fields::query(request, &[])?;
        let is_meant = |project: &&Project| project.spec.name == name && project.spec.source == Source::Regular;
        let project = self.projects.iter().find(is_meant);
        let project = project.ok_or_else(|| Answer::refused(404, "Project not found."))?;
        self.success(json!({ "project_uuid": project.spec.id }))
    }

    /// A question for the whole project counts as a poll of its edit and of its export.
    pub(crate) fn info(&mut self, request: &Received, id: &str, source: Source) -> Result<Answer, Answer> {
        let query = fields::query(request, &[("get_thumbnail?", QUERY_FLAG)])?;
        let project = find(&mut self.projects, id, source)?;
        project.poll_edit();
        project.export.poll();
        let info = self.describe(id, source, query["get_thumbnail"] != "false")?;
        self.success(info)
    }

    fn describe(&mut self, id: &str, source: Source, thumbnail: bool) -> Result<Value, Answer> {
        let project = find(&mut self.projects, id, source)?;
        let export = project.export.status;
        let export = (export != Status::Pending).then(|| export.as_str());
        let photo = project.photos.first().filter(|_| thumbnail);
        let photo = photo.map(|photo| photo.name.clone());
        let mut info = json!({
            "project_uuid": id,
            "name": project.spec.name,
            "status": project.edit.status.as_str(),
            "created_at": date(project.created_at),
            "number_of_images": project.photos.len().max(project.uploads.len()),
            "export_status": export,
            "profile": project.profile,
            "ai_tools": [],
            "project_id": null,
            "customer_reference_id": null,
            "thumbnail_src": null,
        });
        if let Some(photo) = photo {
            info["thumbnail_src"] = self.download_link(id, "unedited", &photo).into();
        }
        Ok(info)
    }

    /// The links come in the opposite order, so a client that matches them by place goes wrong.
    pub(crate) fn upload_links(&mut self, request: &Received, id: &str, source: Source) -> Result<Answer, Answer> {
        let mut known = vec![("files_list", Kind::Files)];
        if source == Source::I2i {
            known.push(("client_type", Kind::OneOf(&["API"])));
        }
        let body = fields::body(request, &known)?;
        find(&mut self.projects, id, source)?;
        let files = body["files_list"].as_array().into_iter().flatten();
        let names: Vec<String> = files.clone().map(|file| text(file, "file_name")).collect();
        for name in &names {
            let count = names.iter().filter(|other| *other == name).count();
            if count > 1 {
                let message = format!("File \u{201c}{name}\u{201d} appears {count} times.");
                return Err(Answer::refused(400, message));
            }
        }
        let link = |(name, file): (&String, &Value)| {
            let link = self.upload_link(id, name, file["md5"].as_str());
            json!({ "file_name": name, "upload_link": link })
        };
        let mut links: Vec<Value> = names.iter().zip(files).map(link).collect();
        links.reverse();
        self.success(json!({ "files_list": links }))
    }

    pub(crate) fn edit_with_profile(&mut self, request: &Received, id: &str) -> Result<Answer, Answer> {
        let wanted = if self.settings.edit_wants_json {
            "application/json"
        } else {
            ""
        };
        if request.media_type() != wanted {
            return Err(Answer::refused(415, format!("Content-Type must be '{wanted}'.")));
        }
        let body = fields::json_body(request, &[&PROFILE_OPTIONS[..], &OPTIONS].concat())?;
        let all = |names: &[&str]| names.iter().filter(|name| body[**name] == true).count();
        let crops = all(&["crop", "portrait_crop", "headshot_crop"]);
        rule(
            crops <= 1,
            "crop",
            "Only one of crop, portrait_crop and headshot_crop may be set",
        )?;
        let message = "Only one of straighten and perspective_correction may be set";
        rule(
            all(&["straighten", "perspective_correction"]) <= 1,
            "straighten",
            message,
        )?;
        let compressed = body.get("hdr_output_compression").is_some();
        let message = "hdr_output_compression needs hdr_merge";
        rule(
            !compressed || body["hdr_merge"] == true,
            "hdr_output_compression",
            message,
        )?;

        let images = image_type_of(find(&mut self.projects, id, Source::Regular)?)?;
        let mut profiles = self.settings.profiles.iter();
        let profile = profiles.find(|profile| profile["profile_key"] == body["profile_key"]);
        let profile = profile.ok_or_else(|| Answer::refused(400, "Profile not found."))?;
        let images = images.ok_or_else(|| Answer::refused(400, "Project has no images."))?;
        let wanted = profile["image_type"].as_str().unwrap_or(images);
        if !wanted.eq_ignore_ascii_case(images) {
            let message = format!("Profile is for {wanted} images, and the project has {images} images.");
            return Err(Answer::refused(400, message));
        }
        if compressed && images != "RAW" {
            return Err(Answer::refused(400, "hdr_output_compression is for RAW images."));
        }
        let profile = text(profile, "profile_name");
        self.start_edit(&body, id, Some(profile))
    }

    pub(crate) fn edit_smartly(&mut self, request: &Received, id: &str) -> Result<Answer, Answer> {
        let body = fields::body(request, &OPTIONS)?;
        let project = find(&mut self.projects, id, Source::I2i)?;
        if project.uploads.len() < SMART_MINIMUM {
            return Err(Answer::refused(500, "Internal Server Error"));
        }
        image_type_of(project)?;
        self.start_edit(&body, id, None)
    }

    fn start_edit(&mut self, body: &Value, id: &str, profile: Option<String>) -> Result<Answer, Answer> {
        if let Some(template) = body.get("sky_replacement_template_id") {
            let known = self.settings.sky_templates.iter().any(|known| known["id"] == *template);
            let message = "sky_replacement_template_id needs sky_replacement and the id of a template";
            rule(
                known && body["sky_replacement"] == true,
                "sky_replacement_template_id",
                message,
            )?;
        }
        let project = find(&mut self.projects, id, None)?;
        if project.edit.status == Status::InProgress {
            return Err(Answer::refused(400, "Project is being edited."));
        }
        project.edit.start(self.settings.edit_polls);
        project.export.set(Status::Pending);
        (project.profile, project.finalized) = (profile, false);
        self.success(json!({ "message": "Editing started" }))
    }

    pub(crate) fn edit_status(&mut self, request: &Received, id: &str) -> Result<Answer, Answer> {
        fields::query(request, &[])?;
        let project = find(&mut self.projects, id, Source::Regular)?;
        project.poll_edit();
        let report = project.edit.report();
        self.success(report)
    }

    /// Starts an export. One that is running or done is left as it is.
    pub(crate) fn export(&mut self, request: &Received, id: &str) -> Result<Answer, Answer> {
        if !request.body.is_empty() {
            fields::body(request, &[])?;
        }
        let project = find(&mut self.projects, id, Source::Regular)?;
        edited(project)?;
        if matches!(project.export.status, Status::Pending | Status::Failed) {
            project.export.start(self.settings.export_polls);
        }
        self.success(json!({ "message": "Export started" }))
    }

    pub(crate) fn export_status(&mut self, request: &Received, id: &str) -> Result<Answer, Answer> {
        fields::query(request, &[])?;
        let project = find(&mut self.projects, id, Source::Regular)?;
        project.export.poll();
        let report = project.export.report();
        self.success(report)
    }

    pub(crate) fn jpeg_links(&mut self, request: &Received, id: &str, source: Source) -> Result<Answer, Answer> {
        fields::query(request, &[])?;
        self.jpegs(id, Some(source))
    }

    pub(crate) fn jpeg_link(&mut self, request: &Received, id: &str, source: Source) -> Result<Answer, Answer> {
        let query = fields::query(request, &[("file_name", Kind::Text)])?;
        let name = text(&query, "file_name");
        let project = ready(&mut self.projects, id, source)?;
        let finalized = project.finalized;
        let state = state(project.photo(&name)?, finalized);
        let link = self.download_link(id, &state, &name);
        self.success(json!({ "download_link": link }))
    }

    /// Links to the XMP files. DNG and JPEG files have the XMP inside, and come back themselves.
    pub(crate) fn xmp_links(&mut self, request: &Received, id: &str) -> Result<Answer, Answer> {
        fields::query(request, &[])?;
        let project = find(&mut self.projects, id, Source::Regular)?;
        edited(project)?;
        let sidecar = |name: &str| (format!("{}.xmp", stem(name)), "xmp".to_owned());
        let file = |name: &str| match name.to_ascii_lowercase() {
            lower if lower.ends_with(".dng") || image_type(&lower) == Some("JPG") => {
                (name.to_owned(), "unedited".to_owned())
            }
            _ => sidecar(name),
        };
        let uploads = project.uploads.iter().map(|upload| file(&upload.name));
        // The photos of a project that was added finished were RAW files.
        let photos = project.photos.iter().map(|photo| sidecar(&photo.name));
        let files = if project.uploads.is_empty() {
            photos.collect()
        } else {
            uploads.collect()
        };
        self.files(id, files)
    }
}

fn edited(project: &Project) -> Result<(), Answer> {
    match project.edit.status {
        Status::Completed => Ok(()),
        _ => Err(Answer::refused(400, "Project has not been completed yet.")),
    }
}

/// The type of all images of a project, or `None` if it has none.
fn image_type_of(project: &Project) -> Result<Option<&'static str>, Answer> {
    let mut types = project.uploads.iter().map(|upload| image_type(&upload.name));
    let Some(first) = types.next() else {
        return Ok(None);
    };
    if first.is_none() || types.any(|other| other != first) {
        let message = "All images of a project must be RAW, or all must be JPEG.";
        return Err(Answer::refused(400, message));
    }
    Ok(first)
}
