//! Panics on purpose, to test what a mistake of ours would leave. Only builds with debug
//! assertions have them.

/// Where a panic may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A connection receives.
    Receive,
    /// A connection writes.
    Write,
    /// The reactor looks which connections are ready.
    Reactor,
    /// The task has its turn.
    Task,
}

/// A panic that was asked for.
#[derive(Debug, Default)]
pub(super) struct Injected(#[cfg(debug_assertions)] Option<Fault>);

impl Injected {
    /// Makes the next pass of `fault` panic.
    #[cfg(debug_assertions)]
    pub(super) const fn ask(&mut self, fault: Fault) {
        self.0 = Some(fault);
    }

    /// Passes a place; panics, once, if that was asked for.
    #[inline(always)]
    pub(super) fn pass(&mut self, _fault: Fault) {
        #[cfg(debug_assertions)]
        if self.0.take_if(|asked| *asked == _fault).is_some() {
            panic!("a fault was asked for");
        }
    }
}
