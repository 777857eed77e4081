//! Projects made, found and listed; the photos of one; profiles and sky templates.

use imagen_ai::{ApiErrorKind, Error, ImageType, ProjectFilter, ProjectKind, ProjectStatus};
use serde_json::json;

use crate::support::canned::Canned;
use crate::support::faulty::{Faulty, Reply};
use crate::support::simulator::{NOT_EXPORTED, ProjectSpec, READY, SMART, Simulator};
use crate::support::{client_at, client_of, refused};

#[test]
fn a_project_is_made_with_a_name_or_without() {
    for source in [ProjectKind::ProfileBased, ProjectKind::Smart] {
        for (name, body) in [
            (Some("Smith wedding"), r#"{"name":"Smith wedding"}"#),
            (None, "{}"),
        ] {
            let server = Canned::new(200, r#"{"data":{"project_uuid":"65f3"}}"#);
            let client = server.client();
            let (project, path) = match source {
                ProjectKind::ProfileBased => (client.create_project(name), "/v1/projects/"),
                ProjectKind::Smart => (client.create_smart_project(name), "/v1/i2i/projects/"),
            };
            assert_eq!(project.unwrap(), client.project_of(source, "65f3"));
            let seen = server.only();
            assert_eq!(
                (seen.method.as_str(), seen.path.as_str(), seen.body.as_str()),
                ("POST", path, body)
            );
            assert_eq!(seen.header("content-type"), Some("application/json"));
        }
    }
    let server = Canned::new(200, "{}");
    refused(server.client().create_project(" "), "name");
    assert!(server.seen().is_empty());
}

#[test]
fn a_project_that_is_not_named_may_have_been_made() {
    for body in ["{}", r#"{"project_uuid":null}"#, ""] {
        let server = Canned::new(200, body);
        let error = server.client().create_project("a").unwrap_err();
        assert!(
            matches!(error, Error::OutcomeUnknown(e) if e.advice.contains("Client::projects()"))
        );
        server.only();
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
        let server = Canned::new(200, body);
        let client = server.client();
        assert_eq!(
            client.find_project("a/b c").unwrap(),
            client.project("65f3"),
            "{body}"
        );
        assert_eq!(server.only().path, "/v1/projects/a%2Fb%20c/uuid");
    }
    for body in ["{}", "7", "[]", r#"{"uuid":7}"#] {
        assert!(
            matches!(
                Canned::new(200, body).client().find_project("a"),
                Err(Error::Decode(_))
            ),
            "{body}"
        );
    }
    let simulator = Simulator::start();
    let client = client_of(&simulator);
    assert_eq!(client.find_project("12 Elm Street").unwrap().uuid(), READY);
    let error = client.find_project("nobody's").unwrap_err();
    assert!(
        matches!(&error, Error::Api(e) if e.kind == ApiErrorKind::NotFound),
        "{error}"
    );
    refused(client.find_project(""), "name");
    let taken = client.create_project("12 Elm Street").unwrap_err();
    assert!(
        matches!(&taken, Error::Api(e) if e.kind == ApiErrorKind::InvalidRequest),
        "{taken}"
    );
}

#[test]
fn all_pages_are_listed_one_at_a_time() {
    let simulator = Simulator::start();
    for number in 0..250 {
        simulator.add_project(
            ProjectSpec::profile_based(&format!("id-{number}"))
                .name(format!("{number}"))
                .photo_count(0),
        );
    }
    let client = client_of(&simulator);
    let filter = ProjectFilter::default();
    let mut projects = client.projects(&filter);
    let asked = || {
        simulator
            .requests()
            .iter()
            .map(|request| request.target())
            .collect::<Vec<_>>()
    };
    assert!(asked().is_empty());
    let first = projects.next().unwrap().unwrap();
    assert_eq!(
        (first.project_uuid.as_deref(), &first.status),
        (Some(READY), &ProjectStatus::Completed)
    );
    assert_eq!(
        asked(),
        ["/v1/projects?size=100&page=0&get_thumbnail=false"]
    );
    assert_eq!(projects.map(Result::unwrap).count(), 253);
    assert_eq!(asked().len(), 3);

    simulator.clear_requests();
    let filter = ProjectFilter {
        kind: ProjectKind::Smart,
        is_archived: Some(false),
    };
    let found: Vec<_> = client.projects(&filter).map(Result::unwrap).collect();
    assert_eq!(found[0].project_uuid.as_deref(), Some(SMART));
    assert_eq!(
        asked(),
        ["/v1/i2i/projects?size=100&page=0&is_archived=false"]
    );
}

#[test]
fn a_list_ends_after_an_error_and_with_an_empty_page() {
    let page = |count: usize, total: u64| {
        let projects = vec![
            json!({ "project_uuid": "a", "status": "PENDING", "name": null, "new": 1 });
            count
        ];
        let page = json!({ "projects": projects, "pagination": { "total": total, "size": 100, "page": 0 } });
        Reply::json(page.to_string())
    };
    let list = |script: Vec<Reply>| {
        let server = Faulty::start(script);
        let client = client_at(&server.url(), "key");
        let items: Vec<_> = client.projects(&ProjectFilter::default()).collect();
        (
            items.iter().filter(|item| item.is_ok()).count(),
            items.len(),
            server.requests(),
        )
    };
    assert_eq!(
        list(vec![page(100, 250), Reply::status(404)]),
        (100, 101, 2)
    );
    assert_eq!(
        list(vec![page(100, 250), page(100, 250), page(50, 250)]),
        (250, 250, 3)
    );
    assert_eq!(list(vec![page(100, 200), page(100, 200)]), (200, 200, 2));
    assert_eq!(list(vec![page(100, 1000), page(0, 1000)]), (100, 100, 2));
    assert_eq!(list(vec![Reply::json("{}")]), (0, 1, 1));
    // Projects that cannot be read do not lose the list.
    let body =
        json!({ "projects": vec![json!({ "name": "b" }); 100], "pagination": { "total": 200 } });
    assert_eq!(
        list(vec![Reply::json(body.to_string()), page(100, 200)]),
        (100, 100, 2)
    );
}

#[test]
fn the_images_are_those_of_the_links_that_have_a_name() {
    let body = r#"{"files_list":[{"file_name":"a.JPEG","download_link":"https://s3/a"},{"download_link":"https://s3/b"},
        {"file_name":"c.JPEG","download_link":null}]}"#;
    let server = Canned::new(200, body);
    for project in [
        server.client().project("p"),
        server.client().smart_project("p"),
    ] {
        let images = project.images().unwrap();
        assert_eq!(images, [project.image("a.JPEG"), project.image("c.JPEG")]);
    }
    let [regular, smart] = &server.seen()[..] else {
        panic!()
    };
    assert_eq!(
        regular.path,
        "/v1/projects/p/export/get_temporary_download_links"
    );
    assert_eq!(
        smart.path,
        "/v1/i2i/projects/p/get_temporary_download_links"
    );

    let simulator = Simulator::start();
    let client = client_of(&simulator);
    let images = client.project(READY).images().unwrap();
    let edits = imagen_ai::parallel(&images, 2, |image| image.copilot("make the sky more blue"));
    assert!(
        edits.len() == 3 && edits.iter().all(Result::is_ok),
        "{edits:?}"
    );
    let error = client.project(NOT_EXPORTED).images().unwrap_err();
    assert!(
        matches!(&error, Error::Api(e) if e.kind == ApiErrorKind::NotReady),
        "{error}"
    );
}

#[test]
fn profiles_and_templates_come_bare_or_in_an_object() {
    let wrapped = |name: &str, items: &str| {
        [
            items.to_owned(),
            format!(r#"{{"data":{{"{name}":{items}}}}}"#),
        ]
    };
    let items = r#"[{"profile_key":5700,"profile_name":"Warm","profile_type":"Personal","image_type":"raw","new":[1]},
        {"profile_key":5701,"profile_name":null,"image_type":"jpeg"},{"profile_key":5702,"profile_name":7},
        {"profile_name":"no key"},null,7,{"profile_key":5703,"image_type":"HEIC"}]"#;
    for body in wrapped("profiles", items) {
        let server = Canned::new(200, body);
        let profiles = server.client().profiles().unwrap();
        let types = [
            Some(ImageType::Raw),
            Some(ImageType::Jpeg),
            None,
            Some(ImageType::Other("HEIC".to_owned())),
        ];
        for (profile, (key, image_type)) in profiles.iter().zip((5700..).zip(types)) {
            assert_eq!(
                (profile.profile_key, &profile.image_type),
                (key, &image_type)
            );
        }
        assert_eq!(
            (profiles.len(), profiles[0].profile_name.as_deref()),
            (4, Some("Warm"))
        );
        assert_eq!(
            (server.only().method.as_str(), server.only().path.as_str()),
            ("GET", "/v1/profiles")
        );
    }
    for body in wrapped(
        "templates",
        r#"[{"id":1,"is_default":true},{"id":2},{"id":"x"}]"#,
    ) {
        let server = Canned::new(200, body);
        let templates = server.client().sky_templates().unwrap();
        let found: Vec<_> = templates
            .iter()
            .map(|template| (template.id, template.is_default))
            .collect();
        assert_eq!(found, [(1, true), (2, false)]);
        assert_eq!(server.only().path, "/v1/projects/sky_replacement/templates");
    }
    for body in ["{}", "7", r#"{"profiles":7}"#, "no"] {
        assert!(
            matches!(
                Canned::new(200, body).client().profiles(),
                Err(Error::Decode(_))
            ),
            "{body}"
        );
    }
    assert!(matches!(
        Canned::new(200, r#"{"error":"no"}"#).client().profiles(),
        Err(Error::Api(_))
    ));
    let simulator = Simulator::start();
    for bare in [false, true] {
        simulator.configure(|settings| settings.bare_lists = bare);
        assert_eq!(client_of(&simulator).profiles().unwrap().len(), 2);
        assert_eq!(client_of(&simulator).sky_templates().unwrap().len(), 3);
    }
}
