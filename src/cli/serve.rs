//! `chatwire serve`: answers until it is told to stop.

use std::io;
use std::process::ExitCode;

use super::{ServeArgs, failure, mistakes, print};
use crate::config::plan::Plan;
use crate::config::{self, Reading};
use crate::server::{self, Origin};
use crate::telemetry;

/// Serves until a stop signal. Says `listening on http://ADDR` on standard output when it is ready.
pub fn run(args: &ServeArgs) -> ExitCode {
    let filter = std::env::var("CHATWIRE_LOG").ok();
    if let Err(error) = telemetry::init(args.log, filter.as_deref()) {
        return failure(&format!("CHATWIRE_LOG cannot be read: {error}"));
    }
    let Reading { plan, seen } = read(args);
    let plan = match plan {
        Ok(plan) => plan,
        Err(report) => return mistakes(&report),
    };
    let address = plan.server.listen;
    let args = args.clone();
    match start(plan, Origin { seen, read: Box::new(move || read(&args)) }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&format!("cannot serve at {address}: {error}")),
    }
}

/// The configuration, with what the command line says.
fn read(args: &ServeArgs) -> Reading {
    let mut reading = config::read(&args.config.config);
    if let Ok(plan) = &mut reading.plan {
        plan.server.listen = args.listen.unwrap_or(plan.server.listen);
        plan.store = args.store.clone().or(plan.store.take());
    }
    reading
}

fn start(plan: Plan, origin: Origin) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listening = server::bind_reloading(plan, origin).await?;
        let address = format!("{}://{}", listening.scheme(), listening.local_addr()?);
        let ready = || {
            let _ = print(&format!("listening on {address}\n"));
        };
        server::run(listening, ready).await
    })
}
