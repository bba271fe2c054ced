//! Checks a configuration overlay the way the gateway will: `cargo run --example config_check -- [--local] FILE`.
//! Exit code 0 = valid, 1 = refused, 2 = cannot be read. Without `--local` the rules of a deployment apply.

use std::process::ExitCode;

use signalbox::config::provider::{State, AI_BINDING};
use signalbox::config::{Config, Mode, DEFAULT};
use signalbox::document::line_of;

fn main() -> ExitCode {
    let (flags, files): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let mode = match flags.as_slice() {
        [] => Mode::Production,
        [flag] if flag == "--local" => Mode::Local,
        _ => return usage(),
    };
    let [file] = files.as_slice() else { return usage() };
    let overlay = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{file}: {error}");
            return ExitCode::from(2);
        }
    };
    match Config::load(&[DEFAULT, &overlay], mode, &|name| std::env::var(name).ok()) {
        Ok(config) => {
            report(file, &config);
            ExitCode::SUCCESS
        }
        Err(problems) => {
            for problem in &problems {
                match line_of(&overlay, &problem.path) {
                    Some(line) => eprintln!("{file}:{line}: {problem}"),
                    None => eprintln!("{file}: {problem}"),
                }
            }
            eprintln!("{file}: refused, {} problem(s)", problems.len());
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: config_check [--local] FILE");
    ExitCode::from(2)
}

/// What is valid and yet worth knowing before a deployment.
fn report(file: &str, config: &Config) {
    println!("{file}: valid, version {}", config.version);
    if !config.identity.is_configured() {
        println!("  identity is not configured: every request will be refused");
    }
    for provider in config.providers.values() {
        let why = match provider.state() {
            State::Ready => continue,
            State::Disabled => "switched off".to_owned(),
            State::UnsupportedKind => format!("kind {} is not spoken by this version", provider.kind.name()),
            State::NoBinding => format!("the binding {AI_BINDING} is there in a deployed Worker only"),
            State::NoBaseUrl => "no base URL".to_owned(),
            State::NoSecret => format!("none of {} is set in this environment", provider.api_key_env.join(", ")),
        };
        println!("  provider {} is no candidate: {why}", provider.name);
    }
}
