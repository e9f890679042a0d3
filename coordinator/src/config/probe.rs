use std::path::Path;

use pinion_strategy::Section;

use super::ConfigError;
use crate::probe::TokenFiles;

/// Reads `[probe]`.
pub(super) fn tokens(file: &str, root: &Section<'_>) -> Result<TokenFiles, ConfigError> {
    let mut tokens = TokenFiles::default();
    let Some(table) = root.table("probe")? else {
        return Ok(tokens);
    };
    let section = Section::new(file, "probe", table, &["token_files"])?;
    let Some(table) = section.table("token_files")? else {
        return Ok(tokens);
    };
    let section = Section::open(file, section.below("token_files"), table);
    for (server, token) in section.texts()? {
        tokens
            .add(server, Path::new(token))
            .map_err(|error| section.error(server, error.to_string()))?;
    }
    Ok(tokens)
}
