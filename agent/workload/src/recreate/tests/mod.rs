mod case;
mod fields;
mod merge;
mod networks;
mod ports;
mod properties;
mod references;
mod settings;
mod volumes;

pub(crate) use case::container;
