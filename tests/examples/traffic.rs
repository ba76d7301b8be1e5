//! The two ends of the traffic that `tests/bench-traffic.sh` measures, over one TCP connection at a time:
//!
//! ```text
//! traffic serve ADDRESS
//! traffic stream|rr|crr ADDRESS SECONDS     prints Mbit/s, or transactions per second
//! ```
//!
//! `rr` exchanges one octet each way again and again; `crr` opens a connection for each exchange. There the
//! server closes first, as one of HTTP does: the client's ports do not wait, and do not run out.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const STREAM: u16 = 5_001;
const ECHO: u16 = 5_002;
const ONCE: u16 = 5_003;
/// Of a write and of a read.
const CHUNK: usize = 128 << 10;

type Handler = fn(TcpStream) -> io::Result<()>;

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match *words {
        ["serve", address] => serve(parse(address)?),
        [what, address, seconds] => {
            let (address, seconds) = (parse(address)?, Duration::from_secs_f64(parse(seconds)?));
            let rate = match what {
                "stream" => stream(address, seconds)?,
                "rr" => exchanges(address, seconds)?,
                "crr" => connections(address, seconds)?,
                _ => return Err(usage()),
            };
            writeln!(io::stdout(), "{rate:.0}")
        }
        _ => Err(usage()),
    }
}

fn usage() -> io::Error {
    io::Error::other("traffic serve ADDRESS, or traffic stream|rr|crr ADDRESS SECONDS")
}

fn parse<T: std::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse().map_err(|_| usage())
}

fn serve(address: IpAddr) -> io::Result<()> {
    let handlers: [(u16, Handler); 3] = [(STREAM, swallow), (ECHO, echo), (ONCE, answer_once)];
    let mut servers = Vec::new();
    for (port, handle) in handlers {
        let listener = TcpListener::bind((address, port))?;
        servers.push(thread::spawn(move || {
            for connection in listener.incoming() {
                // A client that goes away is at the end of its measurement.
                drop(connection.and_then(handle));
            }
        }));
    }
    for server in servers {
        drop(server.join());
    }
    Ok(())
}

fn swallow(mut connection: TcpStream) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut mebibytes = 0.0_f64;
    loop {
        match connection.read(&mut chunk)? {
            0 => return connection.write_all(&mebibytes.to_be_bytes()),
            n => mebibytes += f64::from(u32::try_from(n).unwrap_or(0)) / f64::from(1 << 20),
        }
    }
}

fn echo(mut connection: TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut octet = [0];
    while connection.read(&mut octet)? == 1 {
        connection.write_all(&octet)?;
    }
    Ok(())
}

fn answer_once(mut connection: TcpStream) -> io::Result<()> {
    connection.read_exact(&mut [0])?;
    connection.write_all(&[1])
}

fn stream(address: IpAddr, seconds: Duration) -> io::Result<f64> {
    let mut connection = TcpStream::connect((address, STREAM))?;
    let (chunk, start) = (vec![0; CHUNK], Instant::now());
    while start.elapsed() < seconds {
        connection.write_all(&chunk)?;
    }
    connection.shutdown(std::net::Shutdown::Write)?;
    // What arrived is what counts, not what was sent.
    let mut mebibytes = [0; 8];
    connection.read_exact(&mut mebibytes)?;
    let megabits = f64::from_be_bytes(mebibytes) * 8.388_608;
    Ok(megabits / start.elapsed().as_secs_f64())
}

fn exchanges(address: IpAddr, seconds: Duration) -> io::Result<f64> {
    let mut connection = TcpStream::connect((address, ECHO))?;
    connection.set_nodelay(true)?;
    rate(seconds, || {
        connection.write_all(&[1])?;
        connection.read_exact(&mut [0])
    })
}

fn connections(address: IpAddr, seconds: Duration) -> io::Result<f64> {
    rate(seconds, || {
        let mut connection = TcpStream::connect((address, ONCE))?;
        connection.write_all(&[1])?;
        let read = connection.read_to_end(&mut Vec::new())?;
        if read == 1 {
            return Ok(());
        }
        Err(io::Error::other("no answer"))
    })
}

fn rate(seconds: Duration, mut transaction: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    let (start, mut done) = (Instant::now(), 0_u32);
    while start.elapsed() < seconds {
        transaction()?;
        done += 1;
    }
    Ok(f64::from(done) / start.elapsed().as_secs_f64())
}
