// SPDX-License-Identifier: Apache-2.0
//! The script of socketio.test.mjs, spoken by rust_socketio: SCENE URL TRANSPORTS.

use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Event, Payload, TransportType};
use serde_json::{json, Value};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(20);

type Heard = Receiver<Payload>;

fn held(promise: &str) {
    println!("held {promise}");
}

fn next(heard: &Heard) -> Payload {
    heard.recv_timeout(DEADLINE).expect("not in time")
}

fn values(payload: Payload) -> Vec<Value> {
    match payload {
        Payload::Text(values) => values,
        other => panic!("not text: {other:?}"),
    }
}

struct Place {
    url: String,
    transport: TransportType,
}

/// What is heard of an event goes into the channel.
fn builder(place: &Place, namespace: &str, auth: Value, events: &[(&str, Sender<Payload>)]) -> ClientBuilder {
    let mut builder = ClientBuilder::new(place.url.clone())
        .namespace(namespace)
        .auth(auth)
        .transport_type(place.transport.clone())
        .reconnect(true)
        .reconnect_on_disconnect(true)
        .reconnect_delay(100, 500);
    for (event, sender) in events {
        let sender = Arc::new(Mutex::new(sender.clone()));
        builder = builder.on(Event::from(*event), move |payload: Payload, _| {
            let _ = sender.lock().unwrap().send(payload);
        });
    }
    builder
}

fn ask(client: &Client, event: &str, payload: Payload) -> Payload {
    let (sender, answer) = channel();
    client
        .emit_with_ack(event, payload, DEADLINE, move |payload: Payload, _| drop(sender.send(payload)))
        .expect("emit");
    next(&answer)
}

fn talk(place: &Place) {
    let (open_sender, open) = channel();
    let (said_sender, said) = channel();
    let (back_sender, sent_back) = channel();
    let events = [("open", open_sender), ("said", said_sender), ("sent back", back_sender)];
    let client = builder(place, "/", json!({"user": "alice"}), &events).connect().expect("connect");
    next(&open);
    held("connects");
    let letter = vec![json!("grüße 👋"), json!(7), json!(1.5), Value::Null, json!(true), json!({"deep": [[], {}]})];
    assert_eq!(values(ask(&client, "echo", Payload::Text(letter.clone()))), vec![Value::Array(letter)]);
    held("acks");
    if matches!(place.transport, TransportType::Polling) {
        // rust_socketio receives no binary over WebSocket, from any server.
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i * 31 + (i >> 8)) as u8).collect();
        client.emit("send back", Payload::from(bytes.clone())).expect("emit");
        assert_eq!(next(&sent_back), Payload::from(bytes));
        held("binary");
    }
    let room = format!("room {}", std::process::id()); // other clients run the same scenes at the same time
    ask(&client, "enter", Payload::Text(vec![json!(room)]));
    ask(&client, "say", Payload::Text(vec![json!(room), json!("hello"), json!({"n": 1})]));
    assert_eq!(values(next(&said)), vec![json!("hello"), json!({"n": 1})]);
    held("hears");
    let (welcome_sender, welcome) = channel();
    let news = builder(place, "/news", json!({"user": "alice", "key": "open sesame"}), &[("welcome", welcome_sender)])
        .connect()
        .expect("connect");
    assert_eq!(values(next(&welcome)), vec![json!("to the news")]);
    assert_eq!(values(ask(&news, "where", Payload::Text(vec![]))), vec![json!(["/news"])]);
    assert_eq!(values(ask(&client, "where", Payload::Text(vec![]))), vec![json!(["/"])]);
    held("namespaces");
}

fn refused(place: &Place) {
    for (namespace, auth, word) in [
        ("/", json!({}), "unauthorized"),
        ("/news", json!({"user": "alice", "key": "wrong"}), "wrong key"),
    ] {
        let (sender, error) = channel();
        let client = builder(place, namespace, auth, &[("error", sender)]).connect();
        let heard = format!("{:?}", next(&error));
        assert!(heard.contains(word), "{heard}");
        drop(client);
    }
    held("refused");
}

fn returns(place: &Place) {
    let (sender, open) = channel();
    let client = builder(place, "/", json!({"user": "alice"}), &[("open", sender)]).connect().expect("connect");
    next(&open);
    println!("waiting");
    next(&open);
    assert_eq!(
        values(ask(&client, "echo", Payload::Text(vec![json!("still here")]))),
        vec![json!(["still here"])]
    );
    held("returns");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let transport = match arguments[3].as_str() {
        "websocket" => TransportType::Websocket,
        "polling" => TransportType::Polling,
        _ => TransportType::WebsocketUpgrade,
    };
    let place = Place {
        url: arguments[2].clone(),
        transport,
    };
    match arguments[1].as_str() {
        "talk" => talk(&place),
        "refused" => refused(&place),
        "returns" => returns(&place),
        other => panic!("{other}"),
    }
    std::process::exit(0); // the library's threads do not end by themselves
}
