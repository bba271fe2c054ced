//! Whose turn it is: of all requests the one whose wait is over first goes on. A request waits for its turn wherever it
//! waits for anything; what it does between two waits nobody sees half of.

use std::cell::{Cell, RefCell};
use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// The requests of one isolate.
#[derive(Debug, Default)]
pub struct Turns {
    /// Until when each of them waits.
    waits: RefCell<Vec<Option<u64>>>,
    alone: Cell<bool>,
}

/// A request on its way.
pub type Served<'s> = Pin<Box<dyn Future<Output = ()> + 's>>;

impl Turns {
    /// Waits until it is a request's turn at an instant.
    pub async fn until(&self, request: usize, at: u64) {
        if self.alone.get() {
            return;
        }
        let mut waited = false;
        poll_fn(|_| {
            if waited {
                return Poll::Ready(());
            }
            waited = true;
            self.waits.borrow_mut()[request] = Some(at);
            Poll::Pending
        })
        .await;
    }

    /// Plays requests to their ends, each from its time on. One that waits for nothing is over: it was killed.
    pub fn play(&self, mut requests: Vec<(u64, Served<'_>)>) {
        self.alone.set(requests.len() == 1);
        *self.waits.borrow_mut() = requests.iter().map(|(at, _)| Some(*at)).collect();
        loop {
            let next = self.waits.borrow().iter().enumerate().filter_map(|(who, at)| Some(((*at)?, who))).min();
            let Some((_, who)) = next else { return };
            self.waits.borrow_mut()[who] = None;
            // Whether it is over shows in that it does not wait.
            let _ = requests[who].1.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}
