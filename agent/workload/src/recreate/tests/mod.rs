mod merge;
mod properties;
mod quirks;
