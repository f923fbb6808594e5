//! Counts the steps of parsers whose input a peer chooses, for tests that they are linear: a count
//! is the same on every machine, a time isn't. Outside of tests nothing is counted.

/// Takes note of `steps` steps.
#[inline]
pub(in crate::protocol) fn count(steps: usize) {
    #[cfg(test)]
    tests::STEPS.set(tests::STEPS.get() + steps);
    #[cfg(not(test))]
    let _ = steps;
}

#[cfg(test)]
pub(in crate::protocol) use tests::{assert_linear, taken};

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    thread_local! {
        pub(super) static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    /// The most steps for a byte that a linear parser may take.
    const STEPS_PER_BYTE: usize = 12;

    /// How many steps `act` takes.
    pub(crate) fn taken(act: impl FnOnce()) -> usize {
        let before = STEPS.get();
        act();
        STEPS.get() - before
    }

    /// Checks that `parse`, which is given a size and returns the bytes of its input and the steps
    /// taken, takes a step at least and a bounded number of steps for a byte, however long the
    /// input is.
    pub(crate) fn assert_linear(parse: impl Fn(usize) -> (usize, usize)) {
        for size in [100, 1_000, 10_000] {
            let (bytes, steps) = parse(size);
            assert!(steps > 0, "nothing is counted");
            assert!(steps <= STEPS_PER_BYTE * bytes, "{steps} steps for {bytes} bytes");
        }
    }

    #[test]
    #[should_panic(expected = "1000000 steps for 1000 bytes")]
    fn finds_quadratic_parsers() {
        assert_linear(|size| (size, taken(|| super::count(size * size.min(size * size / 1_000)))));
    }
}
