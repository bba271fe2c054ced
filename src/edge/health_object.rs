//! The Durable Object `Health`, one per provider: the board on which isolates tell each other what they have seen of its
//! models. It stores nothing: what is lost with it is told anew within seconds.

#![allow(missing_docs)] // of what the macro adds

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;

use worker::{durable_object, DurableObject, Env, Method, Request, Response, State};

use crate::edge::platform::now_ms;
use crate::health::share::Board;

/// A provider's board.
#[durable_object]
pub struct Health {
    board: AssertUnwindSafe<RefCell<Board>>,
}

impl DurableObject for Health {
    fn new(_state: State, _env: Env) -> Self {
        Self { board: AssertUnwindSafe::default() }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        if (request.method(), request.path().as_str()) != (Method::Post, "/sync") {
            return Response::error("unknown_url", 404);
        }
        let body = request.bytes().await?;
        let Ok(told) = serde_json::from_slice(&body) else { return Response::error("invalid_message", 400) };
        let answer = self.board.borrow_mut().sync(told, now_ms());
        Response::from_json(&answer)
    }
}
