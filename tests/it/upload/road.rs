//! The whole road, on the simulator.

use std::fs;

use imagen_ai::{EditOptions, Error, Photo, ProjectKind, UploadOptions, Wait, WaitReason};

use super::files;
use crate::support::simulator::{Simulator, checksum};
use crate::support::{client_of, ms};

fn quick() -> Wait {
    Wait {
        longest: ms(5),
        ..Wait::default()
    }
}

#[test]
fn a_profile_based_project_is_uploaded_edited_exported_and_worked_on() {
    let simulator = Simulator::start();
    let client = client_of(&simulator);
    let names = ["1.NEF", "2.NEF", "3.NEF", "4.NEF", "5.NEF", "6.nef"];
    let (_folder, paths) = files(&names);
    let edit = EditOptions {
        crop: true,
        ..EditOptions::profile(5700)
    };
    let project = client.create_project("Smith wedding").unwrap();
    let early = project.edit(&edit).unwrap_err();
    assert_eq!(early.status(), Some(400));

    let profiles = client.profiles().unwrap();
    let options = UploadOptions {
        profile: profiles
            .into_iter()
            .find(|profile| profile.profile_key == 5700),
        ..UploadOptions::default()
    };
    let uploaded = project.upload(&paths, &options).unwrap().all().unwrap();
    assert!(uploaded.iter().map(|photo| &photo.file_name).eq(&names));
    let mut stored = simulator.uploaded(project.uuid());
    stored.sort_by(|one, other| one.name.cmp(&other.name));
    for (stored, path) in stored.iter().zip(&paths) {
        assert_eq!(stored.checksum, checksum(&fs::read(path).unwrap()));
    }

    project.edit(&edit).unwrap();
    project.wait_until_edited(&quick()).unwrap();
    let early = project.wait_until_completed(&quick());
    assert!(matches!(early, Err(Error::WaitFailed(e)) if e.reason == WaitReason::NotExported));
    project.export().unwrap();
    let exported = project.wait_until_exported(&quick()).unwrap();
    assert_eq!(exported.progress, Some(100.0));
    project.wait_until_completed(&quick()).unwrap();
    let mut images = project.images().unwrap();
    images.sort_by(|one, other| one.file_name().cmp(other.file_name()));
    assert_eq!((images.len(), images[0].file_name()), (6, "1.JPEG"));
    let edit = images[0].copilot("make the sky more blue").unwrap();
    assert!(edit.version_id.is_some());
}

#[test]
fn a_smart_project_is_uploaded_edited_and_worked_on() {
    let simulator = Simulator::start();
    let client = client_of(&simulator);
    let edit = EditOptions {
        hdr_merge: true,
        ..EditOptions::default()
    };
    let project = client.create_smart_project("Smith house").unwrap();
    assert_eq!(project.kind(), ProjectKind::Smart);
    let Err(Error::OutcomeUnknown(early)) = project.edit(&edit) else {
        panic!("an edit without photos");
    };
    assert!(early.advice.contains("five"));

    let photos = (1..=6).map(|number| Photo::bytes(format!("{number}.NEF"), "raw"));
    let uploaded = project.upload(photos, &UploadOptions::default()).unwrap();
    assert_eq!(uploaded.all().unwrap().len(), 6);
    project.edit(&edit).unwrap();
    project.wait_until_edited(&quick()).unwrap();
    project.wait_until_completed(&quick()).unwrap();
    let images = project.images().unwrap();
    assert_eq!(images.len(), 6);
    let edit = images[0].copilot("make the sky more blue").unwrap();
    assert!(edit.version_id.is_some());
}

#[test]
fn projects_are_found_by_their_names() {
    let simulator = Simulator::start();
    let client = client_of(&simulator);
    let wedding = client.create_project("Smith wedding").unwrap();
    let house = client.create_smart_project("Smith house").unwrap();
    assert_eq!(client.find_project("Smith wedding").unwrap(), wedding);
    assert_eq!(client.find_smart_project("Smith house").unwrap(), house);
}
