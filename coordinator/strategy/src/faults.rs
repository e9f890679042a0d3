/// An error that can stand for several of its kind.
pub trait Several: Sized {
    /// All of them in one.
    fn several(errors: Vec<Self>) -> Self;
}

/// What is wrong with a document, as far as it was read.
#[derive(Debug)]
pub struct Faults<E>(Vec<E>);

impl<E> Default for Faults<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E: Several> Faults<E> {
    /// One more.
    pub fn add(&mut self, error: E) {
        self.0.push(error);
    }

    /// What was read. Where it could not be, that is noted, and reading goes on.
    pub fn keep<T: Default>(&mut self, read: Result<T, impl Into<E>>) -> T {
        self.find(read).unwrap_or_default()
    }

    /// What was read, if it could be; else that is noted, and reading goes on.
    pub fn find<T>(&mut self, read: Result<T, impl Into<E>>) -> Option<T> {
        read.map_err(|error| self.add(error.into())).ok()
    }

    /// Refuses the document if anything was wrong with it.
    ///
    /// # Errors
    ///
    /// All that was noted.
    pub fn refuse(mut self) -> Result<(), E> {
        match self.0.len() {
            0 => Ok(()),
            1 => Err(self.0.remove(0)),
            _ => Err(E::several(self.0)),
        }
    }

    /// `whole`, which is absent only where a fault was noted.
    ///
    /// # Errors
    ///
    /// All that was noted.
    pub fn finish<T>(self, whole: Option<T>) -> Result<T, E> {
        self.refuse()?;
        Ok(whole.expect("what could not be read was noted"))
    }
}
