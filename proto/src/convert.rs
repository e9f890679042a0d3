//! Conversions between messages and the words of [`pinion_model`].
