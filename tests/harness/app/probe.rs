//! `app probe NAME PORT`: a client beside the program, on a network of the engine's. Asks every
//! 2 ms until SIGTERM, then says what it saw.
//!
//! It looks the name up for every question, as a client without a cache does, and tries the addresses
//! one after the other, as curl, Go's and Python's clients do. A question has failed when none of them answers 200.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_millis(500);
/// Longer than that a question does not take unless something is in its way.
const SLOW: Duration = Duration::from_millis(100);
/// For a name server's answer, as resolvers wait.
const RESOLVERS: Duration = Duration::from_secs(5);
/// The engine's name server in every container of a user's network.
const NAME_SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 11), 53);

/// Set by SIGTERM.
pub static ENDS: AtomicBool = AtomicBool::new(false);

pub fn probe(name: &str, port: u16) {
    let (mut asked, mut failed, mut elsewhere) = (0, 0, 0);
    let (mut last, mut gap) = (None::<Instant>, Duration::ZERO);
    let mut version = String::new();
    while !ENDS.load(Ordering::Relaxed) {
        asked += 1;
        let begun = Instant::now();
        match ask(name, port) {
            Ok((answered, in_the_way)) => {
                elsewhere += u32::from(!in_the_way.is_empty());
                if begun.elapsed() > SLOW {
                    println!("question {asked} took {} ms: {in_the_way}", begun.elapsed().as_millis());
                }
                gap = gap.max(last.map_or(Duration::ZERO, |last| last.elapsed()));
                last = Some(Instant::now());
                if answered != version {
                    println!("version {answered} after {asked}");
                    version = answered;
                }
            }
            // The signal that ends it interrupts what it waits for.
            Err(_) if ENDS.load(Ordering::Relaxed) => asked -= 1,
            Err(why) => {
                failed += 1;
                println!("question {asked} failed: {why}");
            }
        }
        std::thread::sleep(PERIOD);
    }
    println!("asked={asked} failed={failed} elsewhere={elsewhere} gap_ms={}", gap.as_millis());
}

/// The version, and what came of the addresses that were tried before the one that answered.
fn ask(name: &str, port: u16) -> Result<(String, String), String> {
    let addresses = look_up(name).map_err(|error| format!("look up {name}: {error}"))?;
    let mut whys = Vec::new();
    for address in &addresses {
        match ask_at(SocketAddr::from((*address, port))) {
            Ok(version) => return Ok((version, whys.join(", "))),
            Err(why) => whys.push(format!("{address}: {why}")),
        }
    }
    Err(format!("{} addresses: {}", addresses.len(), whys.join(", ")))
}

fn ask_at(address: SocketAddr) -> Result<String, String> {
    let read = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: app\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = read().map_err(|error| error.to_string())?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.trim().to_owned()),
        _ => Err(format!("answered {answer:?}")),
    }
}

/// A records (RFC 1035), by hand: a static program has no resolver.
fn look_up(name: &str) -> std::io::Result<Vec<Ipv4Addr>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(RESOLVERS))?;
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).unwrap_or(0));
        question.extend_from_slice(label.as_bytes());
    }
    question.extend_from_slice(&[0, 0, 1, 0, 1]);
    socket.send_to(&question, NAME_SERVER)?;
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer)?;
    Ok(addresses(&answer[..length], question.len()))
}

/// The answers follow the question: name, type (1 is an address), class, time to live, length, data.
fn addresses(answer: &[u8], mut at: usize) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    while at < answer.len() {
        at = after_name(answer, at);
        let Some(&[_, kind, _, _, _, _, _, _, high, low]) = answer.get(at..at + 10) else {
            break;
        };
        let end = at + 10 + usize::from(u16::from_be_bytes([high, low]));
        if let (1, Some(&[a, b, c, d])) = (kind, answer.get(at + 10..end)) {
            found.push(Ipv4Addr::new(a, b, c, d));
        }
        at = end;
    }
    found
}

/// A name is labels up to an empty one, or up to two bytes that point back to another name.
fn after_name(answer: &[u8], mut at: usize) -> usize {
    loop {
        match answer.get(at) {
            None | Some(0) => return at + 1,
            Some(length) if *length >= 0xc0 => return at + 2,
            Some(length) => at += 1 + usize::from(*length),
        }
    }
}
