//! An editing session in the terminal: each line is an instruction that builds on the last.

use std::io::{BufRead, Write, stdin, stdout};
use std::time::Duration;

use imagen_ai::{Chain, Client, Error, Image, Overwrite, Step, Wait};
use imagen_ai_simulator::READY;

mod common;

const HELP: &str = "\
Edits one photo, line by line, from the standard input. Each line is an instruction that builds on the last, or one of:
  undo          goes back to the version before
  tree          draws the versions, and marks where you stand
  preset NAME   applies a preset; `presets` lists them
  save FILE     saves the picture of the version where you stand
  reset         discards all edits of the photo
  quit          ends the session
usage: session                               on a simulator inside the program
       session [--smart] PROJECT FILE STATE  on the real service, with IMAGEN_API_KEY: each edit costs credits
  --smart   the project is a Smart Editing one
  STATE     a file that keeps the session; the next one goes on from there";

fn main() -> Result<(), Error> {
    let arguments = common::Arguments::read(HELP);
    match (common::has_key(), arguments.words.as_slice()) {
        (false, []) => {
            let (_simulator, client) = common::simulator(Duration::from_millis(100));
            session(client.project(READY).image("DSC_0001.JPEG").chain())
        }
        (true, [project, file, state]) => {
            let project = arguments.project(&Client::from_env()?, project);
            session(project.open_job(state)?.chain(&project.image(file))?)
        }
        _ => arguments.refuse(),
    }
}

fn session(edits: Chain) -> Result<(), Error> {
    // An edit whose answer gets lost is looked for in the history.
    let mut edits = edits.recovering(Wait::for_an_edit());
    let photo = edits.image().clone();
    if let Some(pending) = edits.pending() {
        println!("What became of {:?}? Asking the history.", pending.edit);
        edits.recover(&Wait::for_an_edit())?;
    }
    println!(
        "{}. `quit` ends, --help lists the commands.",
        where_it_stands(&edits)
    );
    loop {
        print!("> ");
        stdout().flush().map_err(|e| Error::Io {
            path: "(terminal)".into(),
            source: Box::new(e),
        })?;
        let mut line = String::new();
        let read = stdin().lock().read_line(&mut line);
        if line.trim() == "quit" || !matches!(read, Ok(1..)) {
            return Ok(());
        }
        match command(&mut edits, &photo, line.trim()) {
            Ok(said) => println!("{said}"),
            Err(e) => println!("{e}"), // the session goes on
        }
    }
}

fn command(edits: &mut Chain, photo: &Image, line: &str) -> Result<String, Error> {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("", "") => {}
        ("undo", "") => drop(edits.undo()?),
        ("reset", "") => edits.reset()?,
        ("tree", "") => return Ok(photo.history()?.draw(edits.current())),
        ("presets", "") => {
            let tools = photo.project().presets()?;
            return Ok(tools
                .iter()
                .map(|tool| tool.tool_id.as_str())
                .collect::<Vec<_>>()
                .join(", "));
        }
        ("preset", name) => drop(edits.enhance(name)?),
        ("save", file) => return save(edits, photo, file.trim()),
        _ => drop::<Step>(edits.copilot(line)?),
    }
    Ok(where_it_stands(edits))
}

fn save(edits: &Chain, photo: &Image, file: &str) -> Result<String, Error> {
    let Some(current) = edits.current() else {
        return Ok("There is no edit to save yet.".to_owned());
    };
    // Links expire: the history has fresh ones.
    let history = photo.history()?;
    let Some(version) = history.get(current) else {
        return Ok(format!("The history does not list version {current}."));
    };
    let download = photo
        .project()
        .client()
        .download(version)
        .overwrite(Overwrite::Never);
    Ok(format!("{}: {} bytes", file, download.to_file(file)?.bytes))
}

fn where_it_stands(edits: &Chain) -> String {
    let at = edits
        .current()
        .map_or("the unedited photo".to_owned(), |version| {
            format!("version {version}")
        });
    format!("{} at {at}", edits.image().file_name())
}
