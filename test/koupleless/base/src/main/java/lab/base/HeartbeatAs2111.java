package lab.base;

import jakarta.annotation.PostConstruct;
import jakarta.annotation.PreDestroy;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.springframework.stereotype.Component;

/**
 * Sends what runtime 2.1.11 sends by itself: runtime 2.1.6 has no heartbeat. Same option, same path, same body, same headers, first beat at
 * once and before arklet's port is open, then every 12 s, and no farewell. -Dlab.heartbeat.ip replaces the address found.
 */
@Component
public class HeartbeatAs2111 {
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(r -> {
        Thread t = new Thread(r, "heartbeat-as-2111");
        t.setDaemon(true);
        return t;
    });

    @PostConstruct
    public void start() {
        String endpoint = System.getProperty("koupleless.arklet.http.heartbeat.endpoint");
        if (endpoint != null) {
            timer.scheduleAtFixedRate(() -> beat(endpoint), 0, 12000, TimeUnit.MILLISECONDS);
        }
    }

    @PreDestroy
    public void stop() {
        timer.shutdownNow();
    }

    private void beat(String endpoint) {
        try {
            String ip = System.getProperty("lab.heartbeat.ip", lastAddress());
            String body = "{\"baseMetadata\":{\"clusterName\":\"default\",\"identity\":\"" + ip + "\",\"name\":\"TO_BE_IMPLEMENTED\",\"version\":\"1.0.0\"},"
                + "\"localHostName\":\"" + ip + "\",\"localIP\":\"" + ip + "\",\"port\":" + Integer.getInteger("koupleless.arklet.http.port", 1238)
                + ",\"state\":\"activated\"}";
            HttpURLConnection c = (HttpURLConnection) new URL(endpoint + "/heartbeat").openConnection();
            c.setConnectTimeout(30000);
            c.setReadTimeout(10000);
            c.setRequestMethod("POST");
            c.setRequestProperty("Content-Type", "application/json");
            c.setDoOutput(true);
            try (OutputStream out = c.getOutputStream()) {
                out.write(body.getBytes(StandardCharsets.UTF_8));
            }
            c.getResponseCode();
        } catch (Exception e) {
            System.err.println("heartbeat: " + e);
        }
    }

    private static String lastAddress() throws Exception {
        String found = "unknown";
        for (NetworkInterface i : Collections.list(NetworkInterface.getNetworkInterfaces())) {
            for (InetAddress a : Collections.list(i.getInetAddresses())) {
                if (!a.isLoopbackAddress() && a.getAddress().length == 4) {
                    found = a.getHostAddress();
                    break;
                }
            }
        }
        return found;
    }
}
