//! Parses the command line and dispatches. Errors end on stderr as one line, with their causes after it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match sweetspot::cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match sweetspot::cmd::run(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            sweetspot::say!("sweetspot: {error:#}");
            sweetspot::exit_code::of(&error).into()
        }
    }
}
