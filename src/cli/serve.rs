//! `chatwire serve`: answers until it is told to stop.

use std::io;
use std::process::ExitCode;

use super::{ServeArgs, failure, load, print};
use crate::config::plan::Plan;
use crate::{server, telemetry};

/// Serves until a stop signal. Says `listening on http://ADDR` on standard output when it is ready.
pub fn run(args: &ServeArgs) -> ExitCode {
    let filter = std::env::var("CHATWIRE_LOG").ok();
    if let Err(error) = telemetry::init(args.log, filter.as_deref()) {
        return failure(&format!("CHATWIRE_LOG cannot be read: {error}"));
    }
    let mut plan = match load(&args.config) {
        Ok(plan) => plan,
        Err(code) => return code,
    };
    plan.server.listen = args.listen.unwrap_or(plan.server.listen);
    plan.store = args.store.clone().or(plan.store);
    let address = plan.server.listen;
    match start(plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&format!("cannot serve at {address}: {error}")),
    }
}

fn start(plan: Plan) -> io::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listening = server::bind(plan).await?;
        print(&format!("listening on {}://{}\n", listening.scheme(), listening.local_addr()?));
        server::run(listening).await
    })
}
