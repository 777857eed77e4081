//! An editing session in the terminal: each line is an instruction that builds on the last.

use std::io::{BufRead, Write, stdin, stdout};
use std::path::Path;
use std::time::Duration;
use std::{env, process};

use imagen_ai::{Chain, Client, Error, Image, Overwrite, Recovery, VersionId, Wait};
use imagen_ai_simulator::READY;

mod common;

const HELP: &str = "\
Edits one image, line by line, from the standard input. Each line is an instruction that builds on
the last, or a command. An instruction cannot begin with `go `, `preset ` or `save `. The commands:
  undo          goes back to the version before
  tree          draws the versions, and marks where you stand
  preset NAME   applies a preset; `presets` lists them
  go VERSION    goes to this version; it is what a lost edit made, if that cannot be told
  save FILE     saves the picture of the version where you stand
  recover       looks again for an edit whose answer was lost
  forget        counts that edit as not made; it is paid for twice if it was made and is sent again
  reset         discards all edits of the image
  help          prints this text
  quit          ends the session, and so does `exit`
usage: session                              on a simulator inside the program
       session [--smart] PROJECT IMAGE JOB  on the real service, with IMAGEN_API_KEY
Each edit costs credits, once.
  --smart   the project is a Smart Editing one
  JOB       a file that keeps the session; the next one goes on from there";

fn main() -> Result<(), Error> {
    let arguments = common::Arguments::read(HELP);
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    match (common::has_key(), words.as_slice()) {
        (false, []) => {
            let (_simulator, client) = common::simulator(Duration::from_millis(100));
            let name = format!("imagen-session-{}.job", process::id());
            let image = client.project(READY).image("DSC_0001.JPEG");
            session(&image, &env::temp_dir().join(name))
        }
        (true, [project, image, job]) => {
            let project = arguments.project(&Client::from_env()?, project);
            session(&project.image(*image), job.as_ref())
        }
        _ => arguments.refuse(),
    }
}

fn session(image: &Image, path: &Path) -> Result<(), Error> {
    let job = image.project().open_job(path)?;
    let mut edits = job.chain(image)?.recovering(Wait::for_an_edit());
    if edits.pending().is_some() {
        println!("{}", recover(&mut edits)?);
    }
    println!(
        "{}. `quit` ends, `help` lists the commands.",
        where_it_stands(&edits)
    );
    while let Some(line) = read_line()? {
        match command(&mut edits, image, &line) {
            Ok(answer) => println!("{answer}"),
            Err(e) => println!("{e}"), // the session goes on
        }
    }
    Ok(())
}

/// Returns the next line, or `None` at the end of the session.
fn read_line() -> Result<Option<String>, Error> {
    print!("> ");
    stdout().flush().map_err(|e| Error::io("(terminal)", e))?;
    let mut line = String::new();
    let read = stdin().lock().read_line(&mut line);
    let read = read.map_err(|e| Error::io("(terminal)", e))?;
    let line = line.trim();
    if read == 0 || matches!(line, "quit" | "exit") {
        return Ok(None);
    }
    Ok(Some(line.to_owned()))
}

fn command(edits: &mut Chain, image: &Image, line: &str) -> Result<String, Error> {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("", "") => {}
        ("help" | "--help" | "?", "") => return Ok(HELP.to_owned()),
        ("undo", "") => edits.undo()?,
        ("reset", "") => edits.reset()?,
        ("recover", "") => return recover(edits),
        ("forget", "") => edits.assume_not_applied()?,
        ("go", version) => return go(edits, image, version.trim()),
        ("tree", "") => return Ok(image.history()?.draw(edits.current())),
        ("presets", "") => return presets(image),
        ("preset", name) => {
            edits.enhance(name.trim())?;
        }
        ("save", file) => return save(edits, image, file.trim()),
        _ => {
            edits.copilot(line)?;
        }
    }
    Ok(where_it_stands(edits))
}

fn where_it_stands(edits: &Chain) -> String {
    match edits.current() {
        Some(version) => format!("At version {version}"),
        None => "At the unedited image".to_owned(),
    }
}

fn go(edits: &mut Chain, image: &Image, version: &str) -> Result<String, Error> {
    let id: VersionId = version.parse()?;
    if image.history()?.get(&id).is_none() {
        return Ok(format!("The history does not list version {id}"));
    }
    edits.branch_from(id)?;
    Ok(where_it_stands(edits))
}

fn recover(edits: &mut Chain) -> Result<String, Error> {
    let lost = match edits.pending() {
        Some(pending) => format!("{:?}", pending.edit),
        None => return Ok("No edit is lost".to_owned()),
    };
    println!("What became of {lost}? Asking the history.");
    match edits.recover(&Wait::for_an_edit())? {
        Recovery::Applied(_) => Ok(format!("It was made. {}", where_it_stands(edits))),
        Recovery::NotApplied => Ok("It was not made: send it again".to_owned()),
        Recovery::CannotTell { candidates } => Ok(format!(
            "That cannot be told. {} versions may be the edit. `tree` shows them; \
             `go VERSION` or `forget` decides",
            candidates.len()
        )),
    }
}

fn presets(image: &Image) -> Result<String, Error> {
    let presets = image.project().presets()?;
    let names: Vec<String> = presets.into_iter().map(|preset| preset.tool_id).collect();
    Ok(names.join(", "))
}

fn save(edits: &Chain, image: &Image, file: &str) -> Result<String, Error> {
    let Some(current) = edits.current() else {
        return Ok("The image is unedited: there is nothing to save".to_owned());
    };
    let history = image.history()?;
    let Some(version) = history.get(current) else {
        return Ok(format!("The history does not list version {current}"));
    };
    let client = image.project().client();
    let download = client.download(version).overwrite(Overwrite::Never);
    let saved = download.to_file(file)?;
    Ok(format!("{}: {} bytes", saved.path.display(), saved.bytes))
}
