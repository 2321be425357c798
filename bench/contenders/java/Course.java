import java.io.IOException;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicBoolean;

/** One run, as the environment tells of it. */
public final class Course {
  public static final String KAFKA = System.getenv("BENCH_KAFKA");
  public static final String TOPIC = System.getenv("BENCH_TOPIC");
  public static final String GROUP = System.getenv("BENCH_GROUP");
  public static final String STATE = System.getenv("BENCH_STATE");

  private static final AtomicBoolean MARKED = new AtomicBoolean();

  private Course() {}

  /** Connects to the database of the facts. */
  public static Connection connect() throws SQLException {
    URI address = URI.create(System.getenv("BENCH_FACTS"));
    String[] user = address.getRawUserInfo().split(":", 2);
    String url = "jdbc:postgresql://" + address.getHost() + ":" + address.getPort() + address.getPath();
    return DriverManager.getConnection(url, decoded(user[0]), user.length > 1 ? decoded(user[1]) : "");
  }

  /** Says that the first record is there. */
  public static void markFirst() {
    if (!MARKED.get() && MARKED.compareAndSet(false, true)) {
      try {
        Files.createFile(Path.of(System.getenv("BENCH_FIRST")));
      } catch (IOException error) {
        throw new IllegalStateException("the first record could not be marked", error);
      }
    }
  }

  private static String decoded(String text) {
    return URLDecoder.decode(text, StandardCharsets.UTF_8);
  }
}
