//! Objects that JavaScript knows by a number.

/// Objects by their numbers. A number that was freed is given again.
pub(super) struct Handles<T> {
    objects: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Handles<T> {
    pub(super) const fn new() -> Self {
        Self { objects: Vec::new(), free: Vec::new() }
    }

    /// Keeps an object; its number.
    pub(super) fn add(&mut self, object: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.objects[number as usize] = Some(object);
            return number;
        }
        self.objects.push(Some(object));
        self.objects.len() as u32 - 1
    }

    /// The object of a number. Another number than one of these is a mistake in `lib/`, and traps.
    pub(super) fn get(&mut self, number: u32) -> &mut T {
        let object = self.objects.get_mut(number as usize).and_then(Option::as_mut);
        #[expect(clippy::expect_used, reason = "only `lib/` makes numbers; a trap is its error")]
        object.expect("no object has this number")
    }

    /// Drops an object.
    pub(super) fn free(&mut self, number: u32) {
        if let Some(object) = self.objects.get_mut(number as usize)
            && object.take().is_some()
        {
            self.free.push(number);
        }
    }
}
