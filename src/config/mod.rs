//! Configuration: `gateway.toml` in, a [`Plan`](plan::Plan) out.

pub mod plan;
