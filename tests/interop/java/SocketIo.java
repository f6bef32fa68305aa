// SPDX-License-Identifier: Apache-2.0
import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Manager;
import io.socket.client.Socket;
import java.net.URI;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.json.JSONArray;
import org.json.JSONObject;

/** The scenes of socketio.test.mjs with io.socket:socket.io-client: SCENE URL TRANSPORTS. */
public final class SocketIo {
    private static final int DEADLINE_S = 20;
    private static final String ROOM = "room " + ProcessHandle.current().pid(); // other clients run the same scenes at the same time
    private static final byte[] BYTES = new byte[100_000];

    private static String url;
    private static String[] transports;

    private static void held(String promise) {
        System.out.println("held " + promise);
    }

    private static void check(boolean holds, Object what) {
        if (!holds) throw new AssertionError(String.valueOf(what));
    }

    private static Socket open(String namespace, Map<String, String> auth, Manager manager) {
        IO.Options options = IO.Options.builder().setTransports(transports).setAuth(auth).setReconnectionDelay(100).setReconnectionDelayMax(500).build();
        return manager == null ? IO.socket(URI.create(url + namespace), options) : manager.socket(namespace, options);
    }

    private static BlockingQueue<Object[]> heard(Socket socket, String event) {
        BlockingQueue<Object[]> queue = new LinkedBlockingQueue<>();
        socket.on(event, queue::add);
        return queue;
    }

    private static Object[] next(BlockingQueue<Object[]> queue) throws InterruptedException {
        Object[] arguments = queue.poll(DEADLINE_S, TimeUnit.SECONDS);
        check(arguments != null, "not in time");
        return arguments;
    }

    private static Object[] ask(Socket socket, String event, Object... arguments) throws InterruptedException {
        BlockingQueue<Object[]> answers = new LinkedBlockingQueue<>();
        socket.emit(event, arguments, (Ack) answers::add);
        return next(answers);
    }

    private static void talk() throws Exception {
        Socket socket = open("", Map.of("user", "alice"), null);
        BlockingQueue<Object[]> connected = heard(socket, Socket.EVENT_CONNECT), said = heard(socket, "said");
        BlockingQueue<Object[]> upgraded = new LinkedBlockingQueue<>();
        socket.io().once(Manager.EVENT_OPEN, ignored -> {
            if (transports.length > 1) socket.io().once(Manager.EVENT_TRANSPORT, upgraded::add);
        });
        socket.on("question", arguments -> ((Ack) arguments[1]).call(new JSONObject(Map.of("heard", arguments[0], "bytes", Arrays.copyOf(BYTES, 10)))));
        socket.connect();
        next(connected);
        check(socket.id().length() == 20, socket.id());
        held("connects");
        JSONObject deep = new JSONObject().put("deep", new JSONArray().put(new JSONArray()).put(new JSONObject()));
        Object[] letter = {"grüße 👋", 7, 1.5, JSONObject.NULL, true, deep};
        check(new JSONArray(Arrays.asList(letter)).toString().equals(new JSONArray(Arrays.asList(ask(socket, "echo", letter))).toString()), "echo");
        held("acks");
        JSONObject answer = ((JSONObject) ask(socket, "ask me", "how are you?")[0]).getJSONObject("answer");
        check(answer.getString("heard").equals("how are you?") && Arrays.equals((byte[]) answer.get("bytes"), Arrays.copyOf(BYTES, 10)), answer);
        held("asked");
        Object[] back = ask(socket, "echo", BYTES, new JSONObject().put("more", new JSONArray().put(new byte[0]).put(new byte[] {1})));
        JSONArray more = ((JSONObject) back[1]).getJSONArray("more");
        check(Arrays.equals((byte[]) back[0], BYTES) && ((byte[]) more.get(0)).length == 0 && ((byte[]) more.get(1))[0] == 1, "bytes");
        held("binary");
        ask(socket, "enter", ROOM);
        ask(socket, "say", ROOM, "hello", new JSONObject().put("n", 1), BYTES);
        Object[] event = next(said);
        check(event.length == 3 && event[0].equals("hello") && ((JSONObject) event[1]).getInt("n") == 1 && Arrays.equals((byte[]) event[2], BYTES), Arrays.toString(event));
        held("hears");
        Socket news = open("/news", Map.of("user", "alice", "key", "open sesame"), socket.io());
        BlockingQueue<Object[]> welcome = heard(news, "welcome");
        news.connect();
        check(Arrays.equals(next(welcome), new Object[] {"to the news"}), "welcome");
        check(ask(news, "where")[0].equals("/news") && ask(socket, "where")[0].equals("/"), "where");
        held("namespaces");
        if (transports.length > 1) next(upgraded);
    }

    private static void refused() throws Exception {
        Socket socket = open("", Map.of(), null);
        BlockingQueue<Object[]> refusals = heard(socket, Socket.EVENT_CONNECT_ERROR);
        socket.connect();
        JSONObject refusal = (JSONObject) next(refusals)[0];
        check(refusal.getString("message").equals("unauthorized") && refusal.getJSONObject("data").getString("code").equals("unauthorized"), refusal);
        Socket news = open("/news", Map.of("user", "alice", "key", "wrong"), null);
        refusals = heard(news, Socket.EVENT_CONNECT_ERROR);
        news.connect();
        refusal = (JSONObject) next(refusals)[0];
        check(refusal.getString("message").equals("wrong key") && refusal.getJSONObject("data").getString("hint").equals("ask Ali Baba"), refusal);
        held("refused");
    }

    private static void returns() throws Exception {
        Socket socket = open("", Map.of("user", "alice"), null);
        BlockingQueue<Object[]> connected = heard(socket, Socket.EVENT_CONNECT);
        socket.connect();
        next(connected);
        System.out.println("waiting");
        next(connected);
        check(ask(socket, "echo", "still here")[0].equals("still here"), "echo");
        held("returns");
    }

    public static void main(String[] arguments) throws Exception {
        url = arguments[1];
        transports = arguments[2].split(",");
        for (int i = 0; i < BYTES.length; i++) BYTES[i] = (byte) (i * 31 + (i >> 8));
        switch (arguments[0]) {
            case "talk" -> talk();
            case "refused" -> refused();
            case "returns" -> returns();
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        System.exit(0); // the library's threads do not end by themselves
    }
}
