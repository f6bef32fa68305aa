// SPDX-License-Identifier: Apache-2.0
//! The script of clients.test.mjs, spoken by tungstenite over rustls: SCENE URL CA TLS DEFLATE.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, StreamOwned};
use tungstenite::http::Uri;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::{Message, WebSocket};

const DEADLINE: Duration = Duration::from_secs(20);
const PINGS: usize = 3;
const PART_BYTES: usize = 10_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

struct Client {
    socket: WebSocket<Box<dyn Stream>>,
    pings: usize,
    pongs: Vec<Vec<u8>>,
    closed: Option<CloseFrame>,
}

struct Arguments {
    scene: String,
    url: String,
    ca: String,
    tls: String,
}

fn held(promise: &str) {
    println!("held {promise}");
}

fn check(holds: bool, what: &str) -> Outcome<()> {
    if holds { Ok(()) } else { Err(what.into()) }
}

fn tls_config(arguments: &Arguments) -> Outcome<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    if !arguments.ca.is_empty() {
        roots.add(CertificateDer::from_pem_file(&arguments.ca)?)?;
    }
    let version = if arguments.tls == "1.2" { &rustls::version::TLS12 } else { &rustls::version::TLS13 };
    Ok(Arc::new(ClientConfig::builder_with_protocol_versions(&[version]).with_root_certificates(roots).with_no_client_auth()))
}

fn tcp(url: &Uri) -> Outcome<TcpStream> {
    let stream = TcpStream::connect((url.host().ok_or("no host")?, url.port_u16().ok_or("no port")?))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    Ok(stream)
}

fn shake(url: &Uri, config: Arc<ClientConfig>) -> Outcome<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from(url.host().ok_or("no host")?.to_string())?;
    let mut stream = StreamOwned::new(ClientConnection::new(config, name)?, tcp(url)?);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

impl Client {
    fn open(arguments: &Arguments) -> Outcome<Client> {
        let url: Uri = arguments.url.parse()?;
        if arguments.tls.is_empty() {
            return Client::over(&arguments.url, Box::new(tcp(&url)?));
        }
        let stream = shake(&url, tls_config(arguments)?)?;
        let wanted = if arguments.tls == "1.2" { ProtocolVersion::TLSv1_2 } else { ProtocolVersion::TLSv1_3 };
        check(stream.conn.protocol_version() == Some(wanted), "another version of TLS")?;
        Client::over(&arguments.url, Box::new(stream))
    }

    fn over(url: &str, stream: Box<dyn Stream>) -> Outcome<Client> {
        let (socket, _) = tungstenite::client(url, stream).map_err(|error| error.to_string())?;
        Ok(Client { socket, pings: 0, pongs: Vec::new(), closed: None })
    }

    /// Reads one message; a text is returned. The library answers pings and Close frames.
    fn step(&mut self) -> Outcome<Option<String>> {
        match self.socket.read()? {
            Message::Text(text) => return Ok(Some(text.to_string())),
            Message::Ping(_) => {
                self.pings += 1;
                self.socket.flush()?;
            }
            Message::Pong(payload) => self.pongs.push(payload.to_vec()),
            Message::Close(frame) => self.closed = frame,
            _ => return Err("binary".into()),
        }
        Ok(None)
    }

    fn hear(&mut self) -> Outcome<String> {
        loop {
            if let Some(text) = self.step()? {
                return Ok(text);
            }
        }
    }

    fn until_closed(&mut self, code: u16) -> Outcome<String> {
        loop {
            match self.step() {
                Ok(_) => {}
                Err(error) => {
                    let closed = self.closed.take().ok_or(error.to_string())?;
                    check(u16::from(closed.code) == code, &format!("closed with {closed:?}"))?;
                    return Ok(closed.reason.to_string());
                }
            }
        }
    }

    fn send(&mut self, text: &str) -> Outcome<()> {
        Ok(self.socket.send(Message::text(text))?)
    }

    fn send_parts(&mut self, text: &str) -> Outcome<()> {
        let parts: Vec<&[u8]> = text.as_bytes().chunks(PART_BYTES).collect();
        for (i, part) in parts.iter().enumerate() {
            let kind = if i == 0 { Data::Text } else { Data::Continue };
            self.socket.send(Message::Frame(Frame::message(part.to_vec(), OpCode::Data(kind), i + 1 == parts.len())))?;
        }
        Ok(())
    }

    fn expect(&mut self, number: usize, text: &str) -> Outcome<()> {
        let wanted = format!(r#"{{"type":"ack","id":{number},"args":["{text}"]}}"#);
        check(self.hear()? == wanted, &format!("another answer to {number}"))
    }

    fn enter(&mut self) -> Outcome<()> {
        self.send(r#"{"type":"connect","auth":{"user":"alice"}}"#)?;
        check(self.hear()?.starts_with(r#"{"type":"connected","#), "not let in")
    }

    fn talk(&mut self) -> Outcome<()> {
        held("connects");
        self.enter()?;
        held("authenticates");
        let text: String = (0..2500).map(|number| format!("line {number} of a long letter, grüße 👋; ")).collect();
        self.send(&event(1, &text))?;
        self.expect(1, &text)?;
        held("large");
        self.send_parts(&event(2, &text))?;
        self.expect(2, &text)?;
        held("parts");
        for number in 0..20 {
            self.send(&event(100 + number, &format!("small {number}")))?;
        }
        for number in 0..20 {
            self.expect(100 + number, &format!("small {number}"))?;
        }
        held("burst");
        self.socket.send(Message::Ping("are you there?".into()))?;
        while self.pongs.is_empty() {
            self.step()?;
        }
        check(self.pongs[0] == b"are you there?", "another pong")?;
        held("pong");
        while self.pings < PINGS {
            self.step()?;
        }
        held("pings");
        self.socket.close(Some(CloseFrame { code: CloseCode::from(3001), reason: "good bye".into() }))?;
        check(self.until_closed(3001)? == "good bye", "another reason")?;
        held("closes");
        Ok(())
    }
}

fn event(number: usize, text: &str) -> String {
    format!(r#"{{"type":"event","event":"echo","args":["{text}"],"id":{number}}}"#)
}

fn binary(mut client: Client) -> Outcome<()> {
    client.enter()?;
    client.socket.send(Message::binary(vec![0, 0xff]))?;
    client.until_closed(1003)?;
    held("binary");
    Ok(())
}

fn bytes(mut client: Client) -> Outcome<()> {
    let content: Vec<u8> = (0..100_000_usize).map(|i| (i * 31 + (i >> 8)) as u8).collect();
    client.socket.send(Message::binary(content.clone()))?;
    check(client.socket.read()? == Message::binary(content), "other bytes")?;
    held("bytes");
    Ok(())
}

fn refused(mut client: Client) -> Outcome<()> {
    client.send(r#"{"type":"connect","auth":{}}"#)?;
    let answer = client.hear()?;
    check(answer.starts_with(r#"{"type":"refused","#) && answer.contains(r#""unauthorized""#), &answer)?;
    client.until_closed(4401)?;
    held("refused");
    Ok(())
}

fn drain(mut client: Client) -> Outcome<()> {
    client.enter()?;
    println!("waiting");
    let reason = client.until_closed(1012)?;
    check(reason.starts_with(r#"{"retryAfterMs":"#), &reason)?;
    held("drain");
    Ok(())
}

fn distrust(arguments: &Arguments) -> Outcome<()> {
    match shake(&arguments.url.parse()?, tls_config(arguments)?) {
        Err(error) if error.to_string().contains("invalid peer certificate") => held("distrust"),
        Err(error) => return Err(error),
        Ok(_) => return Err("trusted".into()),
    }
    Ok(())
}

fn resumes(arguments: &Arguments) -> Outcome<()> {
    let config = tls_config(arguments)?;
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let stream = shake(&arguments.url.parse()?, config.clone())?;
        check(stream.conn.handshake_kind() == Some(kind), &format!("not {kind:?}"))?;
        Client::over(&arguments.url, Box::new(stream))?.enter()?;
    }
    held("resumes");
    Ok(())
}

fn main() -> Outcome<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [scene, url, ca, tls, _] = given.try_into().map_err(|_| "SCENE URL CA TLS DEFLATE")?;
    let arguments = Arguments { scene, url, ca, tls };
    match arguments.scene.as_str() {
        "talk" => Client::open(&arguments)?.talk(),
        "binary" => binary(Client::open(&arguments)?),
        "bytes" => bytes(Client::open(&arguments)?),
        "refused" => refused(Client::open(&arguments)?),
        "drain" => drain(Client::open(&arguments)?),
        "distrust" => distrust(&arguments),
        "resumes" => resumes(&arguments),
        _ => Err("no such scene".into()),
    }
}
