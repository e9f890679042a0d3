mod case;
mod merge;
mod networks;
mod properties;
mod references;
mod settings;
mod volumes;
