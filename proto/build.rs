//! Compiles the protos without an installed `protoc`, and turns the role
//! options of every method into code: a method without a role fails here.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

use prost::Message as _;
use prost_reflect::{DescriptorPool, MethodDescriptor, Value};

const FILES: [&str; 12] = [
    "access",
    "agents",
    "audit",
    "enrollment",
    "fleet",
    "holds",
    "pins",
    "quarantine",
    "roles",
    "rollouts",
    "strategies",
    "types",
];

/// Messages that carry a secret: no `Debug` is derived for them.
const SECRET: [&str; 2] = [".pinion.v1.EnrollRequest", ".pinion.v1.CreateTokenResponse"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    for file in FILES {
        compiler.open_file(format!("pinion/v1/{file}.proto"))?;
    }
    let encoded = compiler.encode_file_descriptor_set();
    std::fs::write(out.join("pinion.v1.bin"), &encoded)?;
    std::fs::write(out.join("roles.rs"), roles(&compiler.descriptor_pool())?)?;
    let descriptors = prost_types::FileDescriptorSet::decode(encoded.as_slice())?;
    tonic_prost_build::configure()
        .btree_map(".")
        .codec_path("crate::codec::SmallCodec")
        .skip_debug(SECRET)
        .compile_fds(descriptors)?;
    Ok(())
}

/// `fn allowed_roles(path: &str) -> Option<&'static [Role]>` over every method.
fn roles(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let extension = pool
        .get_extension_by_name("pinion.v1.allowed_roles")
        .ok_or("roles.proto declares no allowed_roles")?;
    let mut code = String::from(
        "/// The roles that a method's proto declares; `None` for a path that is not of pinion.v1.\n\
         pub fn allowed_roles(path: &str) -> Option<&'static [Role]> {\n    match path {\n",
    );
    for service in pool.services().filter(|s| s.package_name() == "pinion.v1") {
        for method in service.methods() {
            let roles = method_roles(&method, &extension)?;
            let path = format!("/{}/{}", service.full_name(), method.name());
            writeln!(code, "        {path:?} => Some(&[{}]),", roles.join(", "))?;
        }
    }
    code.push_str("        _ => None,\n    }\n}\n\n/// The path of every method of pinion.v1.\npub const METHODS: &[&str] = &[\n");
    for service in pool.services().filter(|s| s.package_name() == "pinion.v1") {
        for method in service.methods() {
            writeln!(code, "    \"/{}/{}\",", service.full_name(), method.name())?;
        }
    }
    code.push_str("];\n");
    Ok(code)
}

fn method_roles(
    method: &MethodDescriptor,
    extension: &prost_reflect::ExtensionDescriptor,
) -> Result<Vec<String>, Box<dyn Error>> {
    let options = method.options();
    let value = options.get_extension(extension);
    let Value::List(list) = value.as_ref() else {
        return Err(format!("{}: allowed_roles is no list", method.full_name()).into());
    };
    if list.is_empty() {
        return Err(format!("{} declares no allowed_roles", method.full_name()).into());
    }
    let prost_reflect::Kind::Enum(role) = extension.kind() else {
        return Err("allowed_roles is no enum".into());
    };
    list.iter()
        .map(|number| {
            let number = number.as_enum_number().ok_or("no enum number")?;
            let value = role.get_value(number).ok_or("unknown role")?;
            Ok(format!("Role::{}", camel(value.name())))
        })
        .collect()
}

/// `ROLE_EXPIRED_AGENT` → `ExpiredAgent`.
fn camel(name: &str) -> String {
    name.trim_start_matches("ROLE_")
        .split('_')
        .map(|word| {
            let (head, tail) = word.split_at(1);
            format!("{head}{}", tail.to_lowercase())
        })
        .collect()
}
