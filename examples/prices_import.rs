//! Makes a price document from public lists that lie on this machine: `npm run prices:import`, which also fetches lists by URL.
//!
//! ```text
//! prices_import --from FILE --format FORMAT [--release VERSION@YYYY-MM-DD] [--origin TEXT] [--from … --format …]
//!     [--table FILE] [--add provider/model,…] [--all] [--drop provider/model,…] [--keep BEGINNING,…]
//!     [--prefer provider/model=FORMAT,…] [--day YYYY-MM-DD] [--accept provider/model,… | --accept-all] [--set-version NAME] [--write [FILE]]
//! ```
//!
//! Looked for are the models of the table and of the catalogue, `--add`, and with `--all` whatever the lists have; `--keep` leaves
//! those as they are whose names begin so, `--drop` takes some out.
//!
//! Without `--write` nothing is written; what would change is printed either way. Exit code 0 = done, 1 = a list or the table
//! is not valid, or the lists price nothing that is wanted, 2 = the command cannot be understood or a file not be read.

use std::fs;
use std::process::ExitCode;

use signalbox::catalogue::import::merge::{propose, Proposal, Source, Wanted};
use signalbox::catalogue::import::review::{review, Change, Review};
use signalbox::catalogue::import::{Format, List, FORMATS};
use signalbox::catalogue::{self, price::Prices};
use signalbox::sorted::Set;

/// The table that is compiled in, and the default of `--table`.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/prices.json");

#[derive(Default)]
struct Options {
    lists: Vec<Listed>,
    table: Option<String>,
    add: Vec<String>,
    drop: Vec<String>,
    keep: Vec<String>,
    prefer: Vec<String>,
    accept: Vec<String>,
    all: bool,
    accept_all: bool,
    day: Option<String>,
    version: Option<String>,
    write: Option<Option<String>>,
}

#[derive(Default)]
struct Listed {
    file: String,
    format: Option<Format>,
    release: String,
    origin: String,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1).collect()) {
        Ok(options) => options,
        Err(problem) => return fail(2, &format!("{problem}\nsee the head of examples/prices_import.rs")),
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, problem)) => fail(code, &problem),
    }
}

fn fail(code: u8, problem: &str) -> ExitCode {
    eprintln!("{problem}");
    ExitCode::from(code)
}

fn run(options: &Options) -> Result<(), (u8, String)> {
    let file = options.table.as_deref().unwrap_or(TABLE);
    let read = |file: &str| fs::read_to_string(file).map_err(|error| (2, format!("{file}: {error}")));
    let current = if file == TABLE || fs::exists(file).unwrap_or(false) { read(file)? } else { EMPTY.to_owned() };
    let table = Prices::parse(&current).map_err(|problems| (1, format!("{file}: {}", list(&problems))))?;
    let day = options.day.clone().unwrap_or_else(today);
    let mut sources = Vec::new();
    for listed in &options.lists {
        let format = listed.format.ok_or_else(|| (2, format!("{} wants --format", listed.file)))?;
        let list =
            List::read(format, &read(&listed.file)?, &day).map_err(|why| (1, format!("{}: {why}", listed.file)))?;
        let (release, date) = listed.release.split_once('@').unwrap_or((&listed.release, &day));
        let text = str::to_owned;
        sources.push(Source { list, release: text(release), date: text(date), origin: listed.origin.clone() });
    }
    let proposal = propose(&sources, &wanted(options, &table, &sources)?);
    if proposal.entries.is_empty() {
        tell_problems(&proposal);
        return Err((1, "the lists price nothing that is wanted".to_owned()));
    }
    let review = compare(&current, &proposal, &day, options)?;
    tell(&proposal, &review);
    if let (Some(target), Some(text)) = (&options.write, &review.text) {
        let target = target.as_deref().unwrap_or(file);
        fs::write(target, text).map_err(|error| (2, format!("{target}: {error}")))?;
        println!("{target}: written, version {}", review.version);
    }
    Ok(())
}

/// A table to begin with where there is none.
const EMPTY: &str = r#"{"version":"none","prices":{}}"#;

/// What the table has, what the compiled-in catalogue has, what is asked for, and with `--all` whatever the lists have.
fn wanted(options: &Options, table: &Prices, sources: &[Source]) -> Result<Wanted, (u8, String)> {
    let mut models: Set<String> = table.ids().map(str::to_owned).chain(options.add.iter().cloned()).collect();
    let shipped: serde_json::Value = serde_json::from_str(catalogue::SNAPSHOT).unwrap_or_default();
    models.extend(
        shipped.get("models").and_then(serde_json::Value::as_object).into_iter().flatten().map(|(id, _)| id.clone()),
    );
    if options.all {
        models.extend(sources.iter().flat_map(|source| source.list.ids()));
    }
    models.retain(|id| !options.drop.contains(id) && !options.keep.iter().any(|kept| id.starts_with(kept.as_str())));
    let mut wanted = Wanted { models, ..Wanted::default() };
    for preference in &options.prefer {
        let named = preference.rsplit_once('=').and_then(|(id, name)| Some((id, format_of(name)?)));
        let (id, format) = named.ok_or_else(|| (2, format!("--prefer {preference}: not provider/model=FORMAT")))?;
        wanted.models.insert(id.to_owned());
        wanted.preferred.insert(id.to_owned(), format);
    }
    Ok(wanted)
}

/// Compares with what is dropped taken out, and what is accepted let in.
fn compare(current: &str, proposal: &Proposal, day: &str, options: &Options) -> Result<Review, (u8, String)> {
    let mut before: serde_json::Value = serde_json::from_str(current).unwrap_or_default();
    for id in &options.drop {
        if let Some(prices) = before.get_mut("prices").and_then(serde_json::Value::as_object_mut) {
            prices.remove(id);
        }
    }
    let before = if options.drop.is_empty() { current.to_owned() } else { before.to_string() };
    let version = options.version.as_deref();
    let compare = |confirmed: &[Change]| {
        review(&before, proposal, day, confirmed, version).map_err(|problems| (1, list(&problems)))
    };
    let first = compare(&[])?;
    let accepted = |change: &Change| options.accept_all || options.accept.contains(&change.model);
    let confirmed: Vec<Change> = first.held.iter().filter(|change| accepted(change)).cloned().collect();
    if confirmed.is_empty() {
        Ok(first)
    } else {
        compare(&confirmed)
    }
}

fn tell(proposal: &Proposal, review: &Review) {
    for c in &proposal.conflicts {
        println!(
            "? {} {}: {} {}, {} {}; taken: {}, {}",
            c.model, c.figure, c.taken.0, c.taken.1, c.left.0, c.left.1, c.taken.0, c.why
        );
    }
    tell_problems(proposal);
    let price = |price: &Option<String>| price.clone().unwrap_or_else(|| "(none)".to_owned());
    for change in &review.changed {
        println!("~ {} {}: {} -> {}", change.model, change.figure, price(&change.old), price(&change.new));
    }
    for change in &review.held {
        println!(
            "! {} {}: {} -> {}: more than tenfold; its model stays as it is without --accept",
            change.model,
            change.figure,
            price(&change.old),
            price(&change.new)
        );
    }
    for model in &review.added {
        println!("+ {model}");
    }
    for model in &review.kept {
        println!("= {model}: no longer priced by these lists; kept");
    }
    println!(
        "{} models priced by the lists, {} conflicts, {} added, {} prices changed, {} held, {} kept; version {}",
        proposal.entries.len(),
        proposal.conflicts.len(),
        review.added.len(),
        review.changed.len(),
        review.held.len(),
        review.kept.len(),
        review.version
    );
}

fn tell_problems(proposal: &Proposal) {
    for problem in &proposal.problems {
        println!("x {problem}");
    }
    for model in &proposal.missing {
        println!("- {model}: no price in these lists");
    }
}

fn list(problems: &[signalbox::document::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn format_of(name: &str) -> Option<Format> {
    FORMATS.iter().find(|(word, _)| *word == name).map(|(_, format)| *format)
}

fn options(arguments: Vec<String>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = arguments.into_iter().peekable();
    while let Some(argument) = rest.next() {
        let mut take = || rest.next().ok_or_else(|| format!("{argument} wants a value"));
        let many = |text: String| text.split(',').filter(|t| !t.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        match argument.as_str() {
            "--from" => options.lists.push(Listed { file: take()?, ..Listed::default() }),
            "--format" | "--release" | "--origin" => {
                let value = take()?;
                let last = options.lists.last_mut().ok_or_else(|| format!("--from comes before {argument}"))?;
                match argument.as_str() {
                    "--format" => {
                        let words = || FORMATS.map(|(word, _)| word).join(", ");
                        last.format = Some(format_of(&value).ok_or_else(|| format!("--format is one of {}", words()))?);
                    }
                    "--release" => last.release = value,
                    _ => last.origin = value,
                }
            }
            "--table" => options.table = Some(take()?),
            "--add" => options.add.extend(many(take()?)),
            "--drop" => options.drop.extend(many(take()?)),
            "--keep" => options.keep.extend(many(take()?)),
            "--prefer" => options.prefer.extend(many(take()?)),
            "--accept" => options.accept.extend(many(take()?)),
            "--day" => options.day = Some(take()?),
            "--set-version" => options.version = Some(take()?),
            "--all" => options.all = true,
            "--accept-all" => options.accept_all = true,
            "--write" => options.write = Some(rest.next_if(|next| !next.starts_with("--"))),
            other => return Err(format!("unknown argument {other}")),
        }
    }
    let mut formats: Vec<Format> = Vec::new();
    for listed in &options.lists {
        let format = listed.format.ok_or_else(|| format!("{} wants --format", listed.file))?;
        if formats.contains(&format) {
            return Err(format!("two lists in the format {}", format.name()));
        }
        formats.push(format);
    }
    if options.lists.is_empty() {
        return Err("nothing to read: --from FILE --format FORMAT".to_owned());
    }
    Ok(options)
}

#[allow(clippy::disallowed_methods)] // a command of the shell: its day is today's
fn today() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    signalbox::accounting::day::day_of(u64::try_from(since.as_millis()).unwrap_or_default())
}
