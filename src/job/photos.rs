//! The photos of a job.

use std::collections::BTreeSet;

use super::Job;
use super::line::Line;
use super::record::Phase;
use crate::error::Result;
use crate::outcomes::Outcomes;
use crate::photo::Photo;
use crate::upload::{Checked, UploadOptions, Uploaded, check};

impl Job {
    /// Sends photos that have not arrived yet: [`Project::upload`](crate::Project::upload). The
    /// results are in the order of the photos.
    ///
    /// A photo that has arrived is known by its name and its length, and is not sent again. One of
    /// the same name with another length takes its place. The progress tells of those that have
    /// arrived first, as ended.
    ///
    /// Once the [edit](Job::edit) was sent, no photo is opened, since the card may be gone by then:
    /// those that have arrived are known by their names. One that has not is an error of its own,
    /// as the edit began without it.
    ///
    /// A photo that may or may not have arrived is sent again. Costs no credits.
    ///
    /// # Errors
    /// Those of [`Project::upload`](crate::Project::upload). Of one photo also
    /// [`Error::InvalidInput`](crate::Error::InvalidInput): the edit began without it.
    pub fn upload(
        &mut self,
        photos: impl IntoIterator<Item = impl Into<Photo>>,
        options: &UploadOptions,
    ) -> Result<Outcomes<Uploaded>> {
        self.log.check()?;
        let photos: Vec<Photo> = photos.into_iter().map(Into::into).collect();
        let has_begun = self
            .log
            .read(|record| !matches!(record.edit.phase, Phase::NotBegun));
        if has_begun {
            let known = photos.iter().map(|photo| self.known(photo));
            return Ok(Outcomes(known.collect()));
        }
        let names: BTreeSet<String> = photos.iter().filter_map(name_of).collect();
        let result = check(photos, options).and_then(|photos| self.send(photos, options));
        if result.is_err() {
            self.refused_photos.extend(names);
        } else if !self.refused_photos.is_disjoint(&names) {
            self.refused_photos.clear();
        }
        result
    }

    /// Returns what is known of a photo that the edit began with.
    fn known(&self, photo: &Photo) -> Result<Uploaded> {
        let name = photo.file_name().unwrap_or_default();
        match self.arrived(name) {
            Some(uploaded) => Ok(uploaded),
            None => Err(photo.refused("the edit began without it")),
        }
    }

    /// Sends those of the photos that have not arrived.
    fn send(
        &mut self,
        photos: Vec<Checked>,
        options: &UploadOptions,
    ) -> Result<Outcomes<Uploaded>> {
        let mut known = Vec::new();
        let mut arrived = Vec::new();
        let mut missing = Vec::new();
        for photo in photos {
            let uploaded = self.arrived(&photo.file_name);
            let uploaded = uploaded.filter(|uploaded| uploaded.bytes == photo.bytes);
            if uploaded.is_some() {
                arrived.push(photo);
            } else {
                self.missing_photos.insert(photo.file_name.clone());
                missing.push(photo);
            }
            known.push(uploaded);
        }
        let note = |uploaded: &Uploaded| {
            self.log.note(Line::Uploaded {
                file_name: uploaded.file_name.clone(),
                bytes: uploaded.bytes,
            });
        };
        let mut sent = self
            .project
            .send_photos(&missing, &arrived, options, &note)?
            .into_iter();
        let mut outcomes = Vec::new();
        for known in known {
            outcomes.extend(match known {
                Some(uploaded) => Some(Ok(uploaded)),
                // There is one for each missing photo, in their order.
                None => sent.next(),
            });
        }
        for uploaded in outcomes.iter().flatten() {
            self.missing_photos.remove(&uploaded.file_name);
        }
        Ok(Outcomes(outcomes))
    }

    fn arrived(&self, file_name: &str) -> Option<Uploaded> {
        let bytes = self
            .log
            .read(|record| record.photos.get(file_name).copied())?;
        Some(Uploaded {
            file_name: file_name.to_owned(),
            bytes,
        })
    }
}

fn name_of(photo: &Photo) -> Option<String> {
    photo.file_name().map(str::to_owned)
}
