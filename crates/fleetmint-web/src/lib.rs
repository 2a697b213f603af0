//! `fleetmint-board` and `fleetmint-nvs` as WebAssembly for the page: bindings, and no logic.
//!
//! Bytes come in as `Uint8Array`, which the module owns as a `Vec`, and go out as a new one. Answers are the reports of
//! `fleetmint-board` as JSON, errors its `ProblemReport`. `web/src/nvs` gives all of this its types.
//!
//! What is freed here is overwritten: arguments, answers and everything between. So a secret that a call was given is not
//! in the module's memory when the call has ended.

#![expect(
    clippy::needless_pass_by_value,
    reason = "JavaScript cannot lend an Option: what may be absent is owned here"
)]

mod answer;
pub mod board;
pub mod image;
mod input;
#[cfg(feature = "inspector")]
pub mod inspector;

use std::alloc::System;

use zeroizing_alloc::ZeroAlloc;

#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);
