//! Many files into one folder.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::name::{given_name, names_on_disk};
use super::part::PART;
use super::{Downloaded, Overwrite};
use crate::client::Client;
use crate::error::TransferReason::LinkExpired;
use crate::error::{Error, Result};
use crate::outcomes::Outcomes;
use crate::parallel::parallel;
use crate::progress::{Batch, ProgressCallback};
use crate::project::{Output, Project};
use crate::transport::{STALL, check_limit, no_link};
use crate::types::DownloadLink;

impl Client {
    /// Downloads many files into a folder, which is made if it is not there, on a few threads that
    /// have ended when this returns. The results are in the order of the links. A file that
    /// fails stops no other: look at each.
    ///
    /// A file is named by its link's `file_name`, else by the last segment of its URL,
    /// percent-decoded. A name that could leave the folder, hide in it, or that a common file
    /// system does not allow, is made safe: separators, characters that cannot be seen, those
    /// that Windows refuses and a leading dot become `_`, dots and spaces at the
    /// end are dropped, device names of Windows get a `_` in front, and long names are cut. Names
    /// that differ at most in case get a number: `a.jpg`, `A (2).JPG`. [`Downloaded::renamed`]
    /// says so. (Names that differ only in how an accent is composed are not recognized. On a
    /// file system that takes them for one, the second is an error unless [`Overwrite::Always`]
    /// is set.)
    ///
    /// ```no_run
    /// # use imagen_ai::DownloadOptions;
    /// # let client = imagen_ai::Client::from_env()?;
    /// let finished = client.project("65f3a1c2").finalize()?;
    /// for file in
    ///     client.download_all(&finished, "out/", &DownloadOptions::default())?
    /// {
    ///     match file {
    ///         Ok(file) if file.skipped => {
    ///             println!("{} was there", file.path.display())
    ///         }
    ///         Ok(file) if file.renamed => {
    ///             println!("{} is now {}", file.file_name, file.path.display())
    ///         }
    ///         Ok(file) => {
    ///             println!("{}: {} bytes", file.path.display(), file.bytes)
    ///         }
    ///         Err(e) => eprintln!("{e}"),
    ///     }
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a stall limit of zero, and [`Error::Io`] for a folder that
    /// cannot be made or written to; nothing was sent. For each file, those of
    /// [`Download`](crate::Download), and
    /// [`TransferReason::NoLink`](crate::TransferReason::NoLink) for a link without a URL.
    pub fn download_all(
        &self,
        links: impl IntoIterator<Item: Into<DownloadLink>>,
        dir: impl AsRef<Path>,
        options: &DownloadOptions,
    ) -> Result<Outcomes<Downloaded>> {
        make_ready(dir.as_ref(), options)?;
        let links = links.into_iter().map(Into::into).collect();
        Ok(Outcomes(download_lots(
            self,
            links,
            dir.as_ref(),
            options,
            &Vec::new,
        )))
    }
}

impl Project {
    /// Finalizes the project and downloads its finished files into a folder, as
    /// [`Client::download_all`] does. Links that expire on the way are asked for again, as long
    /// as each new lot leaves fewer of them.
    ///
    /// The folder is made and tried, and the options are checked, before the edits are locked in,
    /// which cannot be undone.
    ///
    /// ```no_run
    /// # use imagen_ai::DownloadOptions;
    /// # let client = imagen_ai::Client::from_env()?;
    /// let files = client
    ///     .project("65f3a1c2")
    ///     .finalize_to("out/", &DownloadOptions::default())?;
    /// let failed = files.iter().filter(|file| file.is_err()).count();
    /// println!("{} files in out/, {failed} failed", files.len() - failed);
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Client::download_all`] and of [`Project::finalize`].
    pub fn finalize_to(
        &self,
        dir: impl AsRef<Path>,
        options: &DownloadOptions,
    ) -> Result<Outcomes<Downloaded>> {
        self.path(&[])?;
        make_ready(dir.as_ref(), options)?;
        let links = self.finalize()?;
        let fresh = || self.download_links(Output::Jpeg).unwrap_or_default();
        Ok(Outcomes(download_lots(
            self.client(),
            links,
            dir.as_ref(),
            options,
            &fresh,
        )))
    }
}

/// How [`Client::download_all`] and [`Project::finalize_to`] go about it.
///
/// ```
/// use imagen_ai::{DownloadOptions, Overwrite};
/// use std::time::Duration;
///
/// let options = DownloadOptions {
///     threads: 8,
///     overwrite: Overwrite::Skip, // what an earlier run brought
///     stall_timeout: Duration::from_secs(20),
///     ..DownloadOptions::default()
/// };
/// ```
#[derive(Clone, Debug)]
pub struct DownloadOptions {
    /// How many files are on their way at the same time; 0 counts as 1. Default: 4, which keeps a
    /// home connection busy.
    pub threads: usize,
    /// What to do about files that are already there. Default: [`Overwrite::Never`].
    pub overwrite: Overwrite,
    /// How long no byte of a file may come before an attempt is given up. Default: 60 s. Zero is
    /// [`Error::InvalidInput`].
    pub stall_timeout: Duration,
    /// Told of every file, on the thread that downloads it: as
    /// [`Download::progress`](crate::Download::progress) says, and when the file has ended.
    /// [`Break`](std::ops::ControlFlow::Break) ends the download: files that are whole stay, all
    /// others are [`TransferReason::Cancelled`](crate::TransferReason::Cancelled). Default: none.
    pub progress: Option<ProgressCallback>,
}

impl Default for DownloadOptions {
    fn default() -> Self {
        Self {
            threads: 4,
            overwrite: Overwrite::Never,
            stall_timeout: STALL,
            progress: None,
        }
    }
}

/// Makes the folder and tries whether it can be written to, and refuses options that let no file
/// arrive.
fn make_ready(dir: &Path, options: &DownloadOptions) -> Result<()> {
    check_limit("stall_timeout", options.stall_timeout)?;
    let probe = dir.join(format!("probe{PART}"));
    let made = fs::create_dir_all(dir).and_then(|()| fs::write(&probe, ""));
    let _ = fs::remove_file(probe);
    made.map_err(|e| Error::io(dir, e))
}

/// One of many files.
struct File {
    name: String,
    link: DownloadLink,
    result: Option<Result<Downloaded>>,
}

/// Downloads files, and those whose links have expired by fresh links, as long as each new lot
/// leaves fewer of them.
fn download_lots(
    client: &Client,
    links: Vec<DownloadLink>,
    dir: &Path,
    options: &DownloadOptions,
    fresh_links: &dyn Fn() -> Vec<DownloadLink>,
) -> Vec<Result<Downloaded>> {
    let given: Vec<String> = links.iter().map(given_name).collect();
    let files = links.into_iter().zip(names_on_disk(&given));
    let mut files: Vec<File> = files
        .map(|(link, name)| File {
            name,
            link,
            result: None,
        })
        .collect();
    let has_expired = |file: &File| matches!(&file.result, Some(Err(Error::Transfer(e))) if e.reason == LinkExpired);
    let batch = Batch::new(options.progress.as_ref(), files.len());
    let download = |(index, file): (usize, &mut File)| {
        file.result = Some(batch.item(index, &file.name, |tell| {
            if file.link.download_link.is_none() {
                return Err(no_link("GET", &given_name(&file.link)));
            }
            let download = client
                .download(&file.link)
                .overwrite(options.overwrite)
                .tell(tell);
            let done = download
                .stall_timeout(options.stall_timeout)
                .to_file(dir.join(&file.name))?;
            Ok(Downloaded {
                renamed: done.file_name != file.name,
                ..done
            })
        }));
    };
    let mut before = usize::MAX;
    loop {
        let lot = files
            .iter_mut()
            .enumerate()
            .filter(|(_, file)| file.result.is_none());
        parallel(lot, options.threads, download);
        let expired = files.iter().filter(|file| has_expired(file)).count();
        if expired == 0 || expired >= before || batch.is_stopped() {
            return files.into_iter().filter_map(|file| file.result).collect();
        }
        before = expired;
        // By name, and of several files with one name by their order.
        let mut fresh: Vec<_> = fresh_links()
            .into_iter()
            .map(|link| (given_name(&link), link))
            .collect();
        for file in &mut files {
            let name = given_name(&file.link);
            let place = fresh.iter().position(|(fresh, _)| *fresh == name);
            let link = place.map(|place| fresh.remove(place).1);
            if let Some(link) = link.filter(|_| has_expired(file)) {
                (file.link, file.result) = (link, None);
                batch.begin_again();
            }
        }
    }
}
