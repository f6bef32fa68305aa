// SPDX-License-Identifier: Apache-2.0
import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;

/** The scenes of clients.test.mjs with the JDK's java.net.http.WebSocket: SCENE URL CA TLS DEFLATE. */
public final class Client implements WebSocket.Listener {
    private static final int DEADLINE_S = 20, PINGS = 3, PART_CHARS = 10_000;

    private record Closed(int code, String reason) {}

    private final BlockingQueue<String> texts = new LinkedBlockingQueue<>(), pongs = new LinkedBlockingQueue<>();
    private final BlockingQueue<Integer> pings = new LinkedBlockingQueue<>();
    private final BlockingQueue<Object> ends = new LinkedBlockingQueue<>(); // Closed, or the failure
    private final BlockingQueue<byte[]> binaries = new LinkedBlockingQueue<>();
    private final ByteArrayOutputStream binary = new ByteArrayOutputStream();
    private final StringBuilder part = new StringBuilder();
    private final WebSocket socket;

    private Client(String url, String ca, String tls) throws Exception {
        HttpClient.Builder http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(DEADLINE_S));
        if (!tls.isEmpty()) {
            if (!ca.isEmpty()) http.sslContext(trusting(ca));
            http.sslParameters(new SSLParameters(null, new String[] {"TLSv" + tls}));
        }
        socket = waited(http.build().newWebSocketBuilder().buildAsync(URI.create(url), this));
    }

    private static SSLContext trusting(String ca) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream file = new FileInputStream(ca)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    // Called by the library.

    @Override
    public CompletionStage<?> onText(WebSocket from, CharSequence text, boolean last) {
        part.append(text);
        if (last) {
            texts.add(part.toString());
            part.setLength(0);
        }
        from.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket from, ByteBuffer bytes, boolean last) {
        byte[] piece = new byte[bytes.remaining()];
        bytes.get(piece);
        binary.writeBytes(piece);
        if (last) {
            binaries.add(binary.toByteArray());
            binary.reset();
        }
        from.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onPing(WebSocket from, ByteBuffer payload) {
        pings.add(payload.remaining()); // the library answers
        from.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onPong(WebSocket from, ByteBuffer payload) {
        pongs.add(StandardCharsets.UTF_8.decode(payload).toString());
        from.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket from, int code, String reason) {
        ends.add(new Closed(code, reason));
        return null;
    }

    @Override
    public void onError(WebSocket from, Throwable error) {
        ends.add(error);
    }

    // The scenes.

    private static <T> T waited(CompletableFuture<T> outcome) throws Exception {
        return outcome.get(DEADLINE_S, TimeUnit.SECONDS);
    }

    private static <T> T next(BlockingQueue<T> queue, String what) throws Exception {
        T item = queue.poll(DEADLINE_S, TimeUnit.SECONDS);
        if (item == null) throw new TimeoutException("no " + what);
        return item;
    }

    private static void check(boolean holds, Object what) {
        if (!holds) throw new AssertionError(what);
    }

    private static void held(String promise) {
        System.out.println("held " + promise);
    }

    private void send(String text) throws Exception {
        waited(socket.sendText(text, true));
    }

    private void sendParts(String text) throws Exception {
        for (int from = 0, to; from < text.length(); from = to) {
            to = Math.min(from + PART_CHARS, text.length());
            if (to < text.length() && Character.isLowSurrogate(text.charAt(to))) to++;
            waited(socket.sendText(text.substring(from, to), to == text.length()));
        }
    }

    private static String event(int number, String text) {
        return "{\"type\":\"event\",\"event\":\"echo\",\"args\":[\"" + text + "\"],\"id\":" + number + "}";
    }

    private void expect(int number, String text) throws Exception {
        String answer = next(texts, "answer to " + number);
        check(answer.equals("{\"type\":\"ack\",\"id\":" + number + ",\"args\":[\"" + text + "\"]}"), "another answer to " + number);
    }

    private String expectClose(int code) throws Exception {
        Object end = next(ends, "close");
        check(end instanceof Closed closed && closed.code == code, end);
        return ((Closed) end).reason;
    }

    private void enter() throws Exception {
        send("{\"type\":\"connect\",\"auth\":{\"user\":\"alice\"}}");
        String answer = next(texts, "answer");
        check(answer.startsWith("{\"type\":\"connected\","), answer);
    }

    private void talk() throws Exception {
        held("connects");
        enter();
        held("authenticates");
        StringBuilder lines = new StringBuilder();
        for (int number = 0; number < 2500; number++) lines.append("line " + number + " of a long letter, grüße 👋; ");
        String text = lines.toString();
        send(event(1, text));
        expect(1, text);
        held("large");
        sendParts(event(2, text));
        expect(2, text);
        held("parts");
        for (int number = 0; number < 20; number++) send(event(100 + number, "small " + number));
        for (int number = 0; number < 20; number++) expect(100 + number, "small " + number);
        held("burst");
        waited(socket.sendPing(StandardCharsets.UTF_8.encode("are you there?")));
        check(next(pongs, "pong").equals("are you there?"), "another pong");
        held("pong");
        for (int i = 0; i < PINGS; i++) next(pings, "ping");
        held("pings");
        waited(socket.sendClose(3001, "good bye"));
        check(expectClose(3001).equals("good bye"), "another reason");
        held("closes");
    }

    private void binary() throws Exception {
        enter();
        waited(socket.sendBinary(ByteBuffer.wrap(new byte[] {0, -1}), true));
        expectClose(1003);
        held("binary");
    }

    private void bytes() throws Exception {
        byte[] content = new byte[100_000];
        for (int i = 0; i < content.length; i++) content[i] = (byte) (i * 31 + (i >> 8));
        waited(socket.sendBinary(ByteBuffer.wrap(content), true));
        check(Arrays.equals(next(binaries, "binary message"), content), "other bytes");
        held("bytes");
    }

    private void refused() throws Exception {
        send("{\"type\":\"connect\",\"auth\":{}}");
        String answer = next(texts, "answer");
        check(answer.startsWith("{\"type\":\"refused\",") && answer.contains("\"unauthorized\""), answer);
        expectClose(4401);
        held("refused");
    }

    private void drain() throws Exception {
        enter();
        System.out.println("waiting");
        String reason = expectClose(1012);
        check(reason.startsWith("{\"retryAfterMs\":"), reason);
        held("drain");
    }

    private static void distrust(String url, String ca, String tls) throws Exception {
        try {
            new Client(url, ca, tls);
        } catch (ExecutionException refusal) {
            check(refusal.getCause() instanceof SSLHandshakeException, refusal);
            held("distrust");
        }
    }

    public static void main(String[] arguments) throws Exception {
        String url = arguments[1], ca = arguments[2], tls = arguments[3];
        switch (arguments[0]) {
            case "talk" -> new Client(url, ca, tls).talk();
            case "binary" -> new Client(url, ca, tls).binary();
            case "bytes" -> new Client(url, ca, tls).bytes();
            case "refused" -> new Client(url, ca, tls).refused();
            case "drain" -> new Client(url, ca, tls).drain();
            case "distrust" -> distrust(url, ca, tls);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        System.exit(0); // the library's threads do not end by themselves
    }
}
