//! Loads a WebSocket server and reports what it measured, as one line of JSON.
//!
//! One thread waits for readiness, sends frames that were built beforehand and looks at the headers
//! of what comes back, so that it can outrun every server it measures. Where it cannot, its report
//! says so: `load_cpu_share`.

mod broadcast;
mod certificate;
mod connect;
mod echo;
mod frame;
mod idle;
mod meter;
mod options;
mod payload;
mod process;
mod serve;
mod stream;
mod target;

use std::error::Error;
use std::process::ExitCode;

use broadcast::Broadcast;
use connect::Connect;
use echo::Echo;
use idle::Idle;
use options::{Command, Mode, Options};
use serve::Serve;
use target::Target;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    match options::parse(lexopt::Parser::from_env())? {
        Command::Help => print!("{}", options::USAGE),
        Command::Certificate(directory) => certificate::write(&directory)?,
        Command::Load { .. } if !cfg!(target_os = "linux") => {
            return Err("the server's CPU time and memory are read from /proc: Linux only".into());
        }
        Command::Load { mode, options } => println!("{}", load(mode, options)?),
    }
    Ok(())
}

/// The report of one run.
fn load(mode: Mode, options: Options) -> Result<String, Box<dyn Error>> {
    let Options { port, pid, connections, size, in_flight, schedule, text, message, .. } = options;
    process::raise_descriptor_limit()?;
    let Options { deflate, takeover, certificate, all, .. } = options;
    let target = Target::new(port, pid, deflate, takeover, certificate.as_deref())?;
    let report = match mode {
        Mode::Echo => {
            let echo = Echo { connections, size, in_flight, text, schedule };
            serde_json::to_string(&echo::run(&target, &echo)?)
        }
        Mode::Broadcast => {
            let broadcast = Broadcast { connections, all, in_flight, size, text, schedule };
            serde_json::to_string(&broadcast::run(&target, &broadcast)?)
        }
        Mode::Connect => {
            serde_json::to_string(&connect::run(&target, &Connect { connections, schedule })?)
        }
        Mode::Idle => {
            serde_json::to_string(&idle::run(&target, &Idle { connections, message, text })?)
        }
        Mode::Serve => serde_json::to_string(&serve::run(&Serve {
            address: target.address,
            pid,
            connections,
            size,
            schedule,
        })?),
    };
    Ok(report?)
}
