//! The five calls: what is sent, byte for byte, and what is made of the answers.

use imagen_ai::{ApiErrorKind, CopilotRequest, EnhanceRequest, EnhancementStatus, Error, ProjectStatus, VersionId};
use serde_json::json;

use crate::support::canned::{Canned, KEY};

/// The answer that the vendor's page shows.
const PUBLISHED: &str = r#"{
  "status": "SUCCESS",
  "version_id": 123,
  "enhanced_image_url": "https://<s3-presigned>"
}"#;

const ID: &str = "65f3a1c2d4e5f6a7b8c9d0e1";

#[test]
fn the_published_first_prompt_is_sent_and_read_as_published() {
    let server = Canned::new(200, PUBLISHED);
    let photo = server.client().project(ID).image("DSC_0001.JPEG");

    let edit = photo.copilot("make the sky more blue").unwrap();

    assert_eq!(edit.status, EnhancementStatus::Success);
    assert_eq!(edit.version().unwrap(), &VersionId::from(123));
    assert_eq!(edit.enhanced_image_url, "https://<s3-presigned>");
    assert!(edit.extra.is_empty());
    let seen = server.only();
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.path, format!("/v1/projects/{ID}/images/DSC_0001.JPEG/copilot"));
    assert_eq!(
        seen.body,
        r#"{"instruction":"make the sky more blue","parent_version_id":null,"project_source":"REGULAR"}"#
    );
    assert_eq!(seen.header("x-api-key"), Some(KEY));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("accept"), Some("application/json"));
    assert_eq!(
        seen.header("user-agent"),
        Some(concat!("imagen-ai/", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn the_published_second_prompt_builds_on_the_first() {
    let server = Canned::new(
        200,
        r#"{"status":"SUCCESS","version_id":124,"enhanced_image_url":"https://s3/b"}"#,
    );
    let photo = server.client().project(ID).image("DSC_0001.JPEG");

    let edit = photo
        .copilot(CopilotRequest::new("brighten the interior").parent(123))
        .unwrap();

    assert_eq!(edit.version_id, Some(VersionId::from(124)));
    assert_eq!(
        server.only().body,
        r#"{"instruction":"brighten the interior","parent_version_id":123,"project_source":"REGULAR"}"#
    );
}

#[test]
fn a_preset_mirrors_a_prompt() {
    let server = Canned::new(200, PUBLISHED);
    let photo = server.client().i2i_project("p").image("a.jpg");

    photo.enhance("virtual_staging").unwrap();
    photo.enhance(EnhanceRequest::new("day_to_dusk").parent("v-1")).unwrap();

    let seen = server.seen();
    assert_eq!(seen[0].method, "POST");
    assert_eq!(seen[0].path, "/v1/projects/p/images/a.jpg/enhance");
    assert_eq!(
        seen[0].body,
        r#"{"tool_id":"virtual_staging","parent_version_id":null,"project_source":"I2I"}"#
    );
    assert_eq!(
        seen[1].body,
        r#"{"tool_id":"day_to_dusk","parent_version_id":"v-1","project_source":"I2I"}"#
    );
}

#[test]
fn every_call_names_the_project_source() {
    for (i2i, source) in [(false, "REGULAR"), (true, "I2I")] {
        let server = Canned::new(200, "{}");
        let client = server.client();
        let project = if i2i {
            client.i2i_project("p")
        } else {
            client.project("p")
        };

        project.image("a.jpg").reset().unwrap();
        project.ai_tools().unwrap();
        let _ = project.finalize();

        let seen = server.seen();
        assert_eq!(
            (seen[0].method.as_str(), seen[0].path.as_str()),
            ("DELETE", "/v1/projects/p/images/a.jpg/copilot")
        );
        assert_eq!(seen[0].body, format!(r#"{{"project_source":"{source}"}}"#));
        assert_eq!(
            (seen[1].method.as_str(), seen[1].path.clone()),
            ("GET", format!("/v1/projects/p/ai-tools?project_source={source}"))
        );
        assert_eq!(seen[1].body, "");
        assert_eq!(seen[1].header("content-type"), None);
        assert_eq!(
            (seen[2].method.as_str(), seen[2].path.as_str()),
            ("POST", "/v1/projects/p/finalize")
        );
        assert_eq!(seen[2].body, format!(r#"{{"project_source":"{source}"}}"#));
    }
}

#[test]
fn a_version_id_comes_back_as_it_came() {
    for raw in [
        "9007199254740993",
        "18446744073709551615",
        "123456789012345678901234567890",
        "-7",
        "0",
        r#""8f14e45f-ceea""#,
        r#""42""#,
    ] {
        let server = Canned::new(
            200,
            format!(r#"{{"status":"SUCCESS","version_id":{raw},"enhanced_image_url":"https://s3/a"}}"#),
        );
        let photo = server.client().project("p").image("a.jpg");
        let first = photo.copilot("one").unwrap();
        photo
            .copilot(CopilotRequest::new("two").parent(first.version().unwrap()))
            .unwrap();
        assert_eq!(
            server.seen()[1].body,
            format!(r#"{{"instruction":"two","parent_version_id":{raw},"project_source":"REGULAR"}}"#)
        );
    }
}

#[test]
fn an_answer_without_a_version_is_a_success_that_cannot_be_built_on() {
    for (version, kept) in [
        (r#""version_id":null,"#, Some(json!(null))),
        ("", None),
        (r#""version_id":{"n":1},"#, Some(json!({"n": 1}))),
        (r#""version_id":"","#, Some(json!(""))),
    ] {
        let server = Canned::new(
            200,
            format!(r#"{{{version}"status":"SUCCESS","enhanced_image_url":"https://s3/a"}}"#),
        );
        let edit = server.client().project("p").image("a.jpg").copilot("x").unwrap();
        assert_eq!((&edit.version_id, edit.extra.get("version_id")), (&None, kept.as_ref()));
        let error = edit.version().unwrap_err();
        assert!(
            matches!(
                error,
                Error::InvalidInput {
                    field: "version_id",
                    ..
                }
            ),
            "{version}: {error}"
        );
    }
}

#[test]
fn unknown_fields_are_kept_and_the_envelope_is_taken_off() {
    let server = Canned::new(
        200,
        r#"{"data":{"status":"SUCCESS","version_id":1,"enhanced_image_url":"https://s3/a","credits":{"left":9}}}"#,
    );
    let edit = server.client().project("p").image("a.jpg").copilot("x").unwrap();
    assert_eq!(edit.extra["credits"], json!({"left": 9}));
    assert_eq!(edit.version_id, Some(VersionId::from(1)));

    // An object that has more than `data` is the payload as it stands.
    let server = Canned::new(
        200,
        r#"{"data":{"status":"FAILED"},"status":"SUCCESS","version_id":2,"enhanced_image_url":"https://s3/b"}"#,
    );
    let edit = server.client().project("p").image("a.jpg").copilot("x").unwrap();
    assert_eq!(edit.version_id, Some(VersionId::from(2)));
    assert_eq!(edit.extra["data"], json!({"status": "FAILED"}));
}

#[test]
fn success_without_a_body_is_success_where_none_is_expected() {
    for status in [200, 202, 204] {
        let server = Canned::new(status, "");
        let project = server.client().project("p");
        project.image("a.jpg").reset().unwrap();
    }
    let server = Canned::new(200, "<html>gone</html>");
    server.client().project("p").image("a.jpg").reset().unwrap();

    let server = Canned::new(200, "");
    let project = server.client().project("p");
    assert!(matches!(project.ai_tools(), Err(Error::Decode(_))));
    assert!(matches!(project.info(), Err(Error::Decode(_))));
}

#[test]
fn a_failure_in_a_success_is_a_failure() {
    for body in [
        r#"{"status":"FAILED","version_id":5,"enhanced_image_url":"https://s3/a"}"#,
        r#"{"status":"failure","version_id":5,"enhanced_image_url":"https://s3/a"}"#,
        r#"{"status":"Error","version_id":5,"message":"model overloaded"}"#,
        r#"{"status":"SUCCESS","version_id":5}"#,
        r#"{"status":"SUCCESS","version_id":5,"enhanced_image_url":null}"#,
        r#"{"status":"SUCCESS","version_id":5,"enhanced_image_url":"  "}"#,
        r#"{"status":"SUCCESS","version_id":5,"enhanced_image_url":17}"#,
        r#"{"version_id":5}"#,
    ] {
        let server = Canned::new(200, body);
        match server.client().project("p").image("a.jpg").copilot("x") {
            Err(Error::EnhancementFailed(e)) => {
                assert_eq!(e.http_status, 200);
                assert_eq!(e.version_id, Some(VersionId::from(5)), "{body}");
                if body.contains("model overloaded") {
                    assert_eq!(
                        e.to_string(),
                        "POST /projects/p/images/a.jpg/copilot: 200, but the edit failed (status FAILED): model overloaded"
                    );
                }
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn a_status_nobody_has_documented_is_success_when_it_brings_a_picture() {
    for (status, read) in [
        (r#""PARTIAL""#, EnhancementStatus::Other("PARTIAL".into())),
        (r#""success""#, EnhancementStatus::Success),
        ("null", EnhancementStatus::Other(String::new())),
        ("7", EnhancementStatus::Other("7".into())),
    ] {
        let server = Canned::new(
            200,
            format!(r#"{{"status":{status},"version_id":1,"enhanced_image_url":"https://s3/a"}}"#),
        );
        let edit = server.client().project("p").image("a.jpg").copilot("x").unwrap();
        assert_eq!(edit.status, read);
    }
}

#[test]
fn names_reach_the_server_as_one_segment() {
    for name in [
        "IMG #1.jpg",
        "100%.jpg",
        "../../finalize",
        "a?b.jpg",
        "a+b&c=d.jpg",
        "\"quoted\" 'name'.jpg",
        "a/b\\c.jpg",
        "🏠 Küche.jpg",
        "Ku\u{308}che.jpg",
        "%2e%2e",
        "...",
        " ",
    ] {
        let server = Canned::new(200, PUBLISHED);
        server.client().project(name).image(name).copilot("x").unwrap();
        let seen = server.only();
        let segments: Vec<String> = seen
            .path
            .split('/')
            .map(|segment| {
                percent_encoding::percent_decode_str(segment)
                    .decode_utf8()
                    .unwrap()
                    .into_owned()
            })
            .collect();
        assert_eq!(segments, ["", "v1", "projects", name, "images", name, "copilot"]);
    }
}

#[test]
fn what_is_no_name_is_refused_before_anything_is_sent() {
    let server = Canned::new(200, PUBLISHED);
    let client = server.client();
    for name in ["", ".", "..", "a\nb", "a\0", "\u{7f}", "\u{9b}31m", "a\r\nx-evil: 1"] {
        let refused = |result: Result<(), Error>, wrong: &str| match result {
            Err(Error::InvalidInput { field, .. }) => assert_eq!(field, wrong, "{name:?}"),
            other => panic!("{name:?}: {other:?}"),
        };
        let photo = client.project("p").image(name);
        refused(photo.copilot("x").map(drop), "image");
        refused(photo.enhance("x").map(drop), "image");
        refused(photo.reset(), "image");
        for project in [client.project(name), client.i2i_project(name)] {
            refused(project.image("a.jpg").copilot("x").map(drop), "project");
            refused(project.ai_tools().map(drop), "project");
            refused(project.finalize().map(drop), "project");
            refused(project.info().map(drop), "project");
        }
    }
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn an_instruction_has_1_to_255_code_points() {
    let server = Canned::new(200, PUBLISHED);
    let photo = server.client().project("p").image("a.jpg");
    for good in [
        "x".to_owned(),
        "é".repeat(255),
        "🏠".repeat(255),
        format!(" {} ", "x".repeat(253)),
    ] {
        photo.copilot(good).unwrap();
    }
    assert_eq!(server.seen().len(), 4);
    for bad in [
        "".to_owned(),
        " \t\n\u{a0}\u{3000}".to_owned(),
        "x".repeat(256),
        "e\u{301}".repeat(128),
    ] {
        let error = photo.copilot(bad).unwrap_err();
        assert!(matches!(
            error,
            Error::InvalidInput {
                field: "instruction",
                ..
            }
        ));
        assert!(error.to_string().contains("255"), "{error}");
    }
    for bad in ["", " \t"] {
        let error = photo.enhance(bad).unwrap_err();
        assert!(matches!(error, Error::InvalidInput { field: "tool_id", .. }));
    }
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn presets_are_typed_and_everything_else_is_kept() {
    let body = r#"{"prompts":[
        {"enhancement_type":"virtual_staging","label":"Virtual staging","enabled_for_batch":true,"icon":"sofa"},
        {"enhancement_type":"day_to_dusk","label":null},
        {"unheard_of":1}
    ], "images":[{"file_name":"a.jpg","versions":[{"version_id":7}]}]}"#;
    let server = Canned::new(200, body);
    let client = server.client();
    let tools = client.project("p").ai_tools().unwrap();

    assert_eq!(tools.prompts.len(), 2);
    assert_eq!(tools.prompts[0].enhancement_type, "virtual_staging");
    assert_eq!(tools.prompts[0].label.as_deref(), Some("Virtual staging"));
    assert_eq!(tools.prompts[0].enabled_for_batch, Some(true));
    assert_eq!(tools.prompts[0].extra["icon"], "sofa");
    assert_eq!(tools.prompts[1].label, None);
    assert_eq!(tools.raw(), body);
    assert_eq!(EnhanceRequest::from(&tools.prompts[0]).tool_id, "virtual_staging");

    // The page's own answer has no presets at all, and its shape is not published.
    for body in [
        "[]",
        r#"{"DSC_0001.JPEG":[{"version_id":1}]}"#,
        r#"{"prompts":"none"}"#,
        "null",
    ] {
        let server = Canned::new(200, body);
        let tools = server.client().project("p").ai_tools().unwrap();
        assert_eq!((tools.prompts.len(), tools.raw()), (0, body));
    }
}

#[test]
fn info_asks_the_endpoint_of_the_editing_mode() {
    let server = Canned::new(
        200,
        r#"{"project_uuid":"p","name":"Villa","status":"In Progress","created_at":"2026-11-01","number_of_images":24,
            "export_status":null,"theme":"dark"}"#,
    );
    let client = server.client();
    let info = client.project("p").info().unwrap();
    client.i2i_project("p").info().unwrap();

    assert_eq!(info.status, ProjectStatus::InProgress);
    assert_eq!(info.name.as_deref(), Some("Villa"));
    assert_eq!(info.number_of_images, Some(24));
    assert_eq!(info.export_status, None);
    assert_eq!(info.extra["theme"], "dark");
    let paths: Vec<String> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(
        paths,
        [
            "/v1/projects/p?get_thumbnail=false",
            "/v1/i2i/projects/p?get_thumbnail=false"
        ]
    );
}

#[test]
fn known_refusals_have_a_kind() {
    for (status, body, kind) in [
        (
            400,
            r#"{"detail":"Project has not been exported yet."}"#,
            ApiErrorKind::NotReady,
        ),
        (
            400,
            r#"{"message":"Only realistic editing requests are supported."}"#,
            ApiErrorKind::RealisticOnly,
        ),
        (400, r#"{"error":"bad"}"#, ApiErrorKind::InvalidRequest),
        (401, "", ApiErrorKind::Unauthorized),
        (403, r#"{"message":"Forbidden"}"#, ApiErrorKind::Forbidden),
        (404, "", ApiErrorKind::NotFound),
        (405, "", ApiErrorKind::InvalidRequest),
        (409, "", ApiErrorKind::InvalidRequest),
        (413, "", ApiErrorKind::InvalidRequest),
        (415, "", ApiErrorKind::InvalidRequest),
        (422, "", ApiErrorKind::InvalidRequest),
        (429, r#"{"message":"Too Many Requests"}"#, ApiErrorKind::RateLimited),
        (501, "", ApiErrorKind::Server),
        (418, "", ApiErrorKind::Other),
    ] {
        let server = Canned::new(status, body);
        match server.client().project("p").ai_tools() {
            Err(Error::Api(e)) => assert_eq!((e.kind, usize::from(e.status)), (kind, status)),
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[test]
fn a_message_says_what_was_tried_what_came_back_and_the_request_id() {
    for (header, id) in [
        ("x-request-id", "4f1c-77"),
        ("x-amzn-requestid", "amzn-1"),
        ("x-amz-request-id", "S3ID"),
        ("x-amz-apigw-id", "gw="),
        ("cf-ray", "8a-FRA"),
    ] {
        let server = Canned::with_headers(
            400,
            &[(header, id)],
            r#"{"error":{"message":"Project has not been exported yet."}}"#,
        );
        let error = server.client().project("p").image("a b.jpg").copilot("x").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("POST /projects/p/images/a%20b.jpg/copilot: 400 Project has not been exported yet. (request {id})")
        );
        assert_eq!((error.status(), error.request_id()), (Some(400), Some(id)));
        assert!(!error.is_safe_to_retry());
    }
    let server = Canned::new(
        422,
        r#"{"detail":[{"loc":["body","instruction"],"msg":"ensure this value has at most 255 characters"}]}"#,
    );
    let error = server.client().project("p").image("a.jpg").copilot("x").unwrap_err();
    assert_eq!(
        error.to_string(),
        "POST /projects/p/images/a.jpg/copilot: 422 body.instruction: ensure this value has at most 255 characters"
    );
}

#[test]
fn hostile_bodies_end_in_a_typed_error_with_a_bounded_printable_excerpt() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!(r#"{{"status":"SUCCESS","x":{deep}}}"#);
    let html = "<!DOCTYPE html>\n<html><body>\u{1b}[31m502 Bad Gateway</body></html>";
    let huge = "\u{202e}lorem ipsum ".repeat(400_000);
    let bodies: [&[u8]; 8] = [
        html.as_bytes(),
        b"",
        b"\xff\xfe\x00broken\x80",
        deep.as_bytes(),
        deep_object.as_bytes(),
        br#"{"status":"SUCCESS","version_id":1,"enhanced_image_url":"https://s3/a?X-Amz-Signature=SECR"#,
        huge.as_bytes(),
        b"[1,2,3]",
    ];
    for body in bodies {
        for status in [200, 400, 500] {
            let server = Canned::new(status, body);
            let project = server.client().project("p");
            let edit = project.image("a.jpg").copilot("x").unwrap_err();
            let query = project.info().unwrap_err();
            match status {
                200 => {
                    assert!(matches!(edit, Error::OutcomeUnknown(_)), "{edit:?}");
                    assert!(matches!(query, Error::Decode(_)), "{query:?}");
                }
                400 => {
                    assert!(matches!(edit, Error::Api(_)), "{edit:?}");
                    assert!(matches!(query, Error::Api(_)), "{query:?}");
                }
                _ => {
                    assert!(matches!(edit, Error::OutcomeUnknown(_)), "{edit:?}");
                    assert!(matches!(query, Error::Api(_)), "{query:?}");
                }
            }
            for error in [edit, query] {
                for text in [error.to_string(), format!("{error:?}")] {
                    assert!(text.len() < 4000, "{} bytes", text.len());
                    assert!(!text.chars().any(char::is_control), "{text:?}");
                    assert!(!text.contains('\u{202e}') && !text.contains("SECR"), "{text}");
                }
                assert_eq!(error.status(), Some(status as u16));
            }
        }
    }
}
