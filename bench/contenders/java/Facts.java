import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.LocalDate;
import java.util.Collection;
import java.util.List;
import java.util.UUID;

/** Writes facts as absolute values, so that to write one again does no harm. */
public final class Facts implements AutoCloseable {
  /** A pair of stages, by its first one, in one day. */
  public record Pair(int pipeline, int day, int stage) {}

  /** The counts of a pair. */
  public record Fact(Pair pair, long entered, long converted) {}

  private static final String UPSERT =
      """
      insert into bench.facts
      select * from unnest(?::uuid[], ?::uuid[], ?::date[], ?::uuid[], ?::uuid[], ?::bigint[], ?::bigint[])
      on conflict (pipeline_id, "window", from_stage_id)
      do update set entered_count = excluded.entered_count, converted_count = excluded.converted_count
      """;
  private static final String[] TYPES = {"uuid", "uuid", "date", "uuid", "uuid", "int8", "int8"};

  private final Connection connection;
  private final PreparedStatement upsert;

  public Facts() throws SQLException {
    connection = Course.connect();
    connection.setAutoCommit(false);
    upsert = connection.prepareStatement(UPSERT);
  }

  /** Writes all of them in one transaction. */
  public void write(Collection<Fact> facts) throws SQLException {
    if (facts.isEmpty()) {
      return;
    }
    Object[][] columns = new Object[TYPES.length][facts.size()];
    int row = 0;
    for (Fact fact : facts) {
      Pair pair = fact.pair();
      Stages.Pipeline pipeline = Stages.known().pipelines.get(pair.pipeline());
      List<UUID> stages = pipeline.stages();
      columns[0][row] = pipeline.tenant();
      columns[1][row] = pipeline.id();
      columns[2][row] = LocalDate.ofEpochDay(pair.day()).toString();
      columns[3][row] = stages.get(pair.stage());
      columns[4][row] = stages.get(pair.stage() + 1);
      columns[5][row] = fact.entered();
      columns[6][row] = fact.converted();
      row++;
    }
    for (int column = 0; column < TYPES.length; column++) {
      upsert.setArray(column + 1, connection.createArrayOf(TYPES[column], columns[column]));
    }
    upsert.executeUpdate();
    connection.commit();
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
