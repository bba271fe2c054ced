//! The exchanges under way, a task each. A task is polled at once when the step that it waits for has come to something:
//! no promise, no closure and no microtask of our own per step, which is what `JsFuture` costs (`workers.md` §2c, ADR 0003).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use wasm_bindgen::prelude::*;

use crate::edge::seam::js_soon;

thread_local! {
    static RUNNING: RefCell<HashMap<u32, Task>> = RefCell::default();
    static NEXT: Cell<u32> = const { Cell::new(0) };
    /// The one way back in, made once per instance.
    static RESUME: Closure<dyn FnMut(u32, JsValue)> = Closure::own_assert_unwind_safe(resume);
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    step: Rc<Step>,
    waker: Waker,
}

/// What the step under way came to. A task has one step under way at a time.
#[derive(Default)]
pub struct Step(Cell<Option<JsValue>>);

impl Step {
    /// Waits for the outcome of a step that did not answer at once.
    pub async fn outcome(&self, at_once: JsValue) -> JsValue {
        if !at_once.is_undefined() {
            return at_once;
        }
        std::future::poll_fn(|_| self.0.take().map_or(Poll::Pending, Poll::Ready)).await
    }
}

/// The name of a task that is about to begin.
#[must_use]
pub fn name() -> u32 {
    NEXT.set(NEXT.get().wrapping_add(1));
    NEXT.get()
}

/// What the platform calls when a step of a task has come to something: with the task's name and the outcome.
#[must_use]
pub fn resumer() -> JsValue {
    RESUME.with(|resume| resume.as_ref().clone())
}

/// Begins a task; its first steps are taken at once.
pub fn begin(name: u32, step: Rc<Step>, future: impl Future<Output = ()> + 'static) {
    let waker = Waker::from(Arc::new(Nudge(name)));
    go_on(name, Task { future: Box::pin(future), step, waker });
}

/// `undefined` only wakes: something else than a step has happened.
fn resume(name: u32, outcome: JsValue) {
    let Some(task) = RUNNING.with(|running| running.borrow_mut().remove(&name)) else { return };
    if !outcome.is_undefined() {
        task.step.0.set(Some(outcome));
    }
    go_on(name, task);
}

fn go_on(name: u32, mut task: Task) {
    if task.future.as_mut().poll(&mut Context::from_waker(&task.waker)).is_pending() {
        RUNNING.with(|running| running.borrow_mut().insert(name, task));
    }
}

/// Wakes a task that waits for a promise of another kind (a signature, an object's answer).
struct Nudge(u32);

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        js_soon(&resumer(), self.0);
    }
}
