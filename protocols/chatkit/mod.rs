//! ChatKit: pages whose conversations the gateway keeps, as items of threads (ChatKit notes).
//!
//! `README.md` beside this file lists the operations, the forms and the choices that the protocol leaves open.

mod item;
mod object;
mod task;
mod thread;

pub use thread::attachment;
