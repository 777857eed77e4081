//! Projects made, found and listed; the images of one; profiles and sky templates.

use imagen_ai::{
    ApiErrorKind, Error, ImageType, Project, ProjectFilter, ProjectKind, ProjectStatus, Result,
};
use mockito::{Matcher, Mock};
use serde_json::{Value, json};

use crate::support::refused;
use crate::support::wire::{Wire, assert_all};

const LIST: &str = "/v1/projects?size=100&page=0&get_thumbnail=false";
const SMART_LIST: &str = "/v1/i2i/projects?size=100&page=0";

/// A project is made at this path with this body.
fn made(wire: &mut Wire, path: &str, body: &str) -> Mock {
    wire.answers("POST", path, 200, r#"{"data":{"project_uuid":"65f3"}}"#)
        .match_header("content-type", "application/json")
        .match_body(body)
        .create()
}

#[test]
fn a_project_is_made_with_a_name_or_without() {
    const NAMED: &str = r#"{"name":"Smith wedding"}"#;
    for (kind, path) in [
        (ProjectKind::ProfileBased, "/v1/projects/"),
        (ProjectKind::Smart, "/v1/i2i/projects/"),
    ] {
        let mut wire = Wire::new();
        let client = wire.client();
        let sent = [
            made(&mut wire, path, NAMED).expect(2),
            made(&mut wire, path, "{}"),
        ];

        let named = match kind {
            ProjectKind::ProfileBased => client.create_project("Smith wedding"),
            ProjectKind::Smart => client.create_smart_project(String::from("Smith wedding")),
        };
        let of_kind = client.create_project_of(kind, Some("Smith wedding"));
        let unnamed = client.create_project_of(kind, None);

        for project in [named, of_kind, unnamed] {
            assert_eq!(project.unwrap(), client.project_of(kind, "65f3"));
        }
        assert_all(&sent);
    }
}

#[test]
fn a_name_of_white_space_is_refused() {
    let mut wire = Wire::new();
    let nothing = wire.hears_nothing();
    refused(wire.client().create_project(" "), "name");
    refused(wire.client().create_smart_project(""), "name");
    assert_all(&nothing);
}

#[test]
fn a_project_that_is_not_named_may_have_been_made() {
    for body in ["{}", r#"{"project_uuid":null}"#, ""] {
        let mut wire = Wire::new();
        let sent = wire.answers("POST", Matcher::Any, 200, body).create();
        let error = wire.patient_client().create_project("a").unwrap_err();
        assert!(
            matches!(error, Error::OutcomeUnknown(e) if e.advice.contains("Client::projects()"))
        );
        sent.assert();
    }
}

#[test]
fn a_project_is_found_by_its_name() {
    for body in [
        r#""65f3""#,
        r#"{"project_uuid":"65f3"}"#,
        r#"{"uuid":"65f3"}"#,
        r#"{"data":"65f3"}"#,
    ] {
        let mut wire = Wire::new();
        let asked = wire
            .answers("GET", "/v1/projects/a%2Fb%20c/uuid", 200, body)
            .create();
        let client = wire.client();
        let found = client.find_project("a/b c").unwrap();
        assert_eq!(found, client.project("65f3"), "{body}");
        asked.assert();
    }
}

#[test]
fn an_answer_without_an_id_is_not_what_the_api_promises() {
    for body in ["{}", "7", "[]", r#"{"uuid":7}"#] {
        let wire = Wire::answering(200, body);
        let result = wire.client().find_project("a");
        assert!(matches!(result, Err(Error::Decode(_))), "{body}");
    }
}

#[test]
fn a_name_that_is_no_segment_of_a_path_is_not_looked_for() {
    let mut wire = Wire::new();
    let nothing = wire.hears_nothing();
    refused(wire.client().find_project(""), "name");
    assert_all(&nothing);
}

#[test]
fn a_smart_project_is_found_in_the_list_of_all_pages() {
    let mut first = vec![json!({ "project_uuid": "x", "status": "Completed", "name": null }); 99];
    first.push(json!({ "project_uuid": "y", "status": "Completed", "name": "12 elm street" }));
    let second = [
        json!({ "status": "Completed", "name": "12 Elm Street" }),
        json!({ "project_uuid": "65f3", "status": "Pending", "name": "12 Elm Street" }),
    ];
    let mut wire = Wire::new();
    let asked = [
        page(&mut wire, SMART_LIST, &first, 300),
        page(&mut wire, "/v1/i2i/projects?size=100&page=1", &second, 300),
    ];
    let client = wire.client();
    let found = client.find_smart_project("12 Elm Street").unwrap();
    assert_eq!(found, client.smart_project("65f3"));
    assert_all(&asked);
}

#[test]
fn a_project_that_there_is_not_is_not_found_whatever_its_kind() {
    let mut wire = Wire::new();
    let not_found = wire
        .answers("GET", "/v1/projects/nobody/uuid", 404, "")
        .create();
    let list = page(&mut wire, SMART_LIST, &[], 0);
    let client = wire.client();

    let profile_based = client.find_project("nobody").unwrap_err();
    let smart = client.find_smart_project("nobody").unwrap_err();

    assert_eq!(profile_based.api_kind(), Some(ApiErrorKind::NotFound));
    assert_eq!(smart.api_kind(), Some(ApiErrorKind::NotFound));
    let sentence = "GET /i2i/projects: 200 the list holds no project of the name \"nobody\"";
    assert_eq!(smart.to_string(), sentence);
    assert_all(&[not_found, list]);
}

#[test]
fn a_list_that_fails_does_not_say_that_there_is_no_such_project() {
    let wire = Wire::answering(500, "");
    let error = wire.client().find_smart_project("a").unwrap_err();
    assert_eq!(error.api_kind(), Some(ApiErrorKind::Server));
}

#[test]
fn a_name_is_valid_unless_the_answer_says_otherwise() {
    for (body, is_valid) in [
        ("true", true),
        ("false", false),
        (r#"{"is_valid":false}"#, false),
        (r#"{"is_valid":true}"#, true),
        (r#"{"valid":false}"#, false),
        (r#"{"data":{"valid":false}}"#, false),
        (r#"{"data":false}"#, false),
        ("{}", true),
        (r#"{"is_valid":null}"#, true),
        ("", true),
    ] {
        let mut wire = Wire::new();
        let path = "/v1/i2i/projects/is_valid_name?name=Tom%20%26%20Ann%3F";
        let asked = wire.answers("GET", path, 200, body).create();
        let result = wire.client().is_smart_name_valid("Tom & Ann?");
        assert_eq!(result.unwrap(), is_valid, "{body}");
        asked.assert();
    }
    let wire = Wire::answering(200, "<html>");
    let result = wire.client().is_smart_name_valid("a");
    assert!(matches!(result, Err(Error::Decode(_))), "{result:?}");
}

/// A page of a list, which is asked for once.
fn page(wire: &mut Wire, path: &str, projects: &[Value], total: u64) -> Mock {
    let pagination = json!({ "total": total, "size": 100, "page": 0 });
    let body = json!({ "projects": projects, "pagination": pagination });
    wire.answers("GET", path, 200, body.to_string()).create()
}

fn projects(count: usize) -> Vec<Value> {
    vec![json!({ "project_uuid": "a", "status": "PENDING", "name": null, "new": 1 }); count]
}

#[test]
fn a_page_is_asked_for_when_the_one_before_is_used_up() {
    let mut wire = Wire::new();
    let first = page(&mut wire, LIST, &projects(100), 250);
    let path = "/v1/projects?size=100&page=1&get_thumbnail=false";
    let second = page(&mut wire, path, &projects(100), 250);
    let path = "/v1/projects?size=100&page=2&get_thumbnail=false";
    let third = page(&mut wire, path, &projects(50), 250);

    let mut list = wire.client().projects(&ProjectFilter::default());
    assert!(!first.matched());
    let project = list.next().unwrap().unwrap();
    assert_eq!(project.status, ProjectStatus::Pending);
    assert!(first.matched());
    assert_eq!(list.by_ref().take(99).filter(Result::is_ok).count(), 99);
    assert!(!second.matched());
    assert_eq!(list.filter(Result::is_ok).count(), 150);
    assert_all(&[first, second, third]);
}

#[test]
fn a_filter_asks_for_its_projects() {
    for (kind, is_archived, path) in [
        (ProjectKind::ProfileBased, None, LIST),
        (
            ProjectKind::ProfileBased,
            Some(true),
            "/v1/projects?size=100&page=0&get_thumbnail=false&is_archived=true",
        ),
        (ProjectKind::Smart, None, SMART_LIST),
        (
            ProjectKind::Smart,
            Some(false),
            "/v1/i2i/projects?size=100&page=0&is_archived=false",
        ),
    ] {
        let mut wire = Wire::new();
        let asked = page(&mut wire, path, &projects(1), 1);
        let filter = ProjectFilter { kind, is_archived };
        assert_eq!(wire.client().projects(&filter).count(), 1);
        asked.assert();
    }
}

/// How many projects, and how many items in all, a list has whose pages are these, and how many of
/// the pages were asked for. A page has so many projects of so many.
fn list(pages: &[(usize, u64)]) -> (usize, usize, usize) {
    let mut wire = Wire::new();
    let mut asked = Vec::new();
    for (number, (count, total)) in pages.iter().enumerate() {
        let path = format!("/v1/projects?size=100&page={number}&get_thumbnail=false");
        asked.push(page(&mut wire, &path, &projects(*count), *total));
    }
    // What is asked beyond these is answered 501.
    let items: Vec<_> = wire.client().projects(&ProjectFilter::default()).collect();
    let are_there = items.iter().filter(|item| item.is_ok()).count();
    let matched = asked.iter().filter(|mock| mock.matched()).count();
    (are_there, items.len(), matched)
}

#[test]
fn a_list_ends_with_its_total_after_an_error_and_with_an_empty_page() {
    assert_eq!(list(&[(100, 250), (100, 250), (50, 250)]), (250, 250, 3));
    assert_eq!(list(&[(100, 200), (100, 200)]), (200, 200, 2));
    assert_eq!(list(&[(100, 1000), (0, 1000)]), (100, 100, 2));
    assert_eq!(list(&[(100, 250)]), (100, 101, 1));
    assert_eq!(list(&[]), (0, 1, 0));
}

#[test]
fn a_list_without_projects_is_not_what_the_api_promises() {
    let wire = Wire::answering(200, "{}");
    let items: Vec<_> = wire.client().projects(&ProjectFilter::default()).collect();
    assert!(matches!(&items[..], [Err(Error::Decode(_))]), "{items:?}");
}

#[test]
fn projects_that_cannot_be_read_do_not_lose_the_list() {
    let unreadable = vec![json!({ "name": "b" }); 100];
    let mut wire = Wire::new();
    let path = "/v1/projects?size=100&page=1&get_thumbnail=false";
    let asked = [
        page(&mut wire, LIST, &unreadable, 200),
        page(&mut wire, path, &projects(100), 200),
    ];
    let items: Vec<_> = wire.client().projects(&ProjectFilter::default()).collect();
    assert_eq!(items.iter().filter(|item| item.is_ok()).count(), 100);
    assert_eq!(items.len(), 100);
    assert_all(&asked);
}

/// What is asked for links to the finished JPEGs of both kinds.
const LINKS: [(ProjectKind, &str); 2] = [
    (
        ProjectKind::ProfileBased,
        "/v1/projects/p/export/get_temporary_download_links",
    ),
    (
        ProjectKind::Smart,
        "/v1/i2i/projects/p/get_temporary_download_links",
    ),
];

#[test]
fn the_images_are_those_of_the_links_that_have_a_name_each_once() {
    let body = r#"{"files_list":[{"file_name":"a.JPEG","download_link":"https://s3/a"},
        {"download_link":"https://s3/b"},{"file_name":"c.JPEG","download_link":null},
        {"file_name":"a.JPEG","download_link":"https://s3/d"}]}"#;
    for (kind, path) in LINKS {
        let mut wire = Wire::new();
        let asked = wire.answers("GET", path, 200, body).create();
        let project = wire.client().project_of(kind, "p");
        let images = project.images().unwrap();
        assert_eq!(images, [project.image("a.JPEG"), project.image("c.JPEG")]);
        asked.assert();
    }
}

#[test]
fn one_link_is_asked_for_by_the_files_name() {
    for (kind, path) in [
        (
            ProjectKind::ProfileBased,
            "/v1/projects/p/export/get_download_link?file_name=a%20%26%20b.JPEG",
        ),
        (
            ProjectKind::Smart,
            "/v1/i2i/projects/p/get_download_link?file_name=a%20%26%20b.JPEG",
        ),
    ] {
        let mut wire = Wire::new();
        let body = r#"{"download_link":"https://s3/a?sig=1"}"#;
        let asked = wire.answers("GET", path, 200, body).create();
        let project = wire.client().project_of(kind, "p");

        let link = project.download_link("a & b.JPEG").unwrap();

        assert_eq!(link.file_name.as_deref(), Some("a & b.JPEG"));
        assert_eq!(link.download_link, Some("https://s3/a?sig=1".into()));
        asked.assert();
    }
}

#[test]
fn an_answer_without_a_link_is_an_error() {
    let link = |body: &str| {
        let wire = Wire::answering(200, body);
        wire.client().project("p").download_link("a.JPEG")
    };
    for body in [
        "{}",
        r#"{"download_link":null}"#,
        r#"{"download_link":""}"#,
        "7",
    ] {
        let result = link(body);
        assert!(
            matches!(result, Err(Error::Decode(_))),
            "{body}: {result:?}"
        );
    }
    let result = link(r#"{"error":{"message":"gone"}}"#);
    assert!(matches!(result, Err(Error::Api(_))), "{result:?}");
}

#[test]
fn the_hint_after_a_404_fits_the_case() {
    type Call = fn(&Project) -> Result<()>;
    const OF_AN_IMAGE: &str = "(use the name of the finished JPEG; Project::images() lists them)";
    const OF_A_PROJECT: &str = "(profile-based and Smart Editing projects are told apart by the \
                                handle: Client::project() or Client::smart_project())";
    let info: Call = |p| p.info().map(drop);
    let links: Call = |p| p.images().map(drop);
    let link: Call = |p| p.download_link("a.NEF").map(drop);
    let copilot: Call = |p| p.image("a.NEF").copilot("x").map(drop);
    let reset: Call = |p| p.image("a.NEF").reset();
    for (call, message, hint) in [
        (info, "Project not found.", OF_A_PROJECT),
        (info, "Not Found", OF_A_PROJECT),
        (links, "Not Found", OF_A_PROJECT),
        (copilot, "Image not found.", OF_AN_IMAGE),
        (copilot, "Not Found", OF_AN_IMAGE),
        (reset, "Not Found", OF_AN_IMAGE),
        (link, "Not Found", OF_AN_IMAGE),
        (copilot, "Project not found.", OF_A_PROJECT),
        (copilot, "Parent version not found.", ""),
    ] {
        let wire = Wire::answering(404, json!({ "message": message }).to_string());
        let error = call(&wire.client().project("p")).unwrap_err();
        let expected = format!("404 {message} {hint}");
        assert_eq!(error.summary(), expected.trim_end());
    }
}

/// A list bare and in an object, in an envelope.
fn bare_and_wrapped(name: &str, items: &str) -> [String; 2] {
    let wrapped = format!(r#"{{"data":{{"{name}":{items}}}}}"#);
    [items.to_owned(), wrapped]
}

#[test]
fn profiles_come_bare_or_in_an_object() {
    let items = r#"[{"profile_key":5700,"profile_name":"Warm","profile_type":"Personal","image_type":"raw","new":[1]},
        {"profile_key":5701,"profile_name":null,"image_type":"jpeg"},{"profile_key":5702,"profile_name":7},
        {"profile_name":"no key"},null,7,{"profile_key":5703,"image_type":"HEIC"}]"#;
    for body in bare_and_wrapped("profiles", items) {
        let mut wire = Wire::new();
        let asked = wire.answers("GET", "/v1/profiles", 200, body).create();
        let profiles = wire.client().profiles().unwrap();
        let types = profiles
            .iter()
            .map(|profile| (profile.profile_key, profile.image_type.clone()));
        let expected = [
            (5700, Some(ImageType::Raw)),
            (5701, Some(ImageType::Jpeg)),
            (5702, None),
            (5703, Some(ImageType::Other("HEIC".to_owned()))),
        ];
        assert!(types.eq(expected), "{profiles:?}");
        assert_eq!(profiles[0].profile_name.as_deref(), Some("Warm"));
        asked.assert();
    }
}

#[test]
fn sky_templates_come_bare_or_in_an_object() {
    let items = r#"[{"id":1,"is_default":true},{"id":2},{"id":"x"}]"#;
    for body in bare_and_wrapped("templates", items) {
        let mut wire = Wire::new();
        let path = "/v1/projects/sky_replacement/templates";
        let asked = wire.answers("GET", path, 200, body).create();
        let templates = wire.client().sky_templates().unwrap();
        let found: Vec<_> = templates
            .iter()
            .map(|template| (template.id, template.is_default))
            .collect();
        assert_eq!(found, [(1, true), (2, false)]);
        asked.assert();
    }
}

#[test]
fn an_answer_that_is_no_list_is_an_error() {
    for body in ["{}", "7", r#"{"profiles":7}"#, "no"] {
        let wire = Wire::answering(200, body);
        let result = wire.client().profiles();
        assert!(matches!(result, Err(Error::Decode(_))), "{body}");
    }
    let wire = Wire::answering(200, r#"{"error":"no"}"#);
    let result = wire.client().profiles();
    assert!(matches!(result, Err(Error::Api(_))), "{result:?}");
}
