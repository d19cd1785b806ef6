//! The runtime of those that live on tokio, with one thread.

use std::future::Future;

pub fn run(future: impl Future<Output = ()> + Send + 'static) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(runtime.spawn(future)).expect("the task");
}

pub fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(future));
}
