use pinion_model::{Failure, ImageRef};

use super::draft::text;
use super::{OPERATION_LABEL, Recreate};
use crate::names::{RESTORES_LABEL, WORKLOAD_LABEL};
use crate::{CreateSpec, Image};

impl Recreate<'_> {
    /// What to send to the engine to make the *old* container again on its own
    /// image, should it be gone when it is needed: its settings, its volumes by
    /// name, and labels that say whose place it takes back.
    ///
    /// # Errors
    ///
    /// As [`spec`](Recreate::spec).
    pub fn restoring(&self) -> Result<CreateSpec, Failure> {
        let Some(image) = self.old_image else {
            return self.spec();
        };
        let kept = [OPERATION_LABEL, WORKLOAD_LABEL].into_iter();
        let kept = kept.filter_map(|key| Some((key.to_owned(), self.labels.get(key)?.clone())));
        let id = text(self.inspect, "Id").to_owned();
        let labels = kept.chain([(RESTORES_LABEL.to_owned(), id)]).collect();
        self.made_of(image, &self.old_reference(image), &labels)
    }

    /// Never a tag, which may have moved: a digest, of the repository that it
    /// was made from if that has one, else the engine's id.
    fn old_reference(&self, image: &Image) -> String {
        let made_from = self.inspect.pointer("/Config/Image");
        let made_from = made_from.and_then(|text| text.as_str()).unwrap_or_default();
        let is_of = |digest: &&ImageRef| {
            let rest = made_from.strip_prefix(digest.repository.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
        };
        let digests = &image.repo_digests;
        let reference = digests.iter().find(is_of).or(digests.first());
        reference.map_or_else(|| image.id.clone(), ToString::to_string)
    }
}
