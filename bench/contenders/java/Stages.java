import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** The pipelines and their stages, numbered; they do not change during a run. */
public final class Stages {
  /** A stage's place in a numbered pipeline. */
  public record Place(int pipeline, int stage) {}

  /** A pipeline and its stages in order. */
  public record Pipeline(UUID tenant, UUID id, List<UUID> stages) {}

  private static final Stages KNOWN = load();

  public final List<Pipeline> pipelines = new ArrayList<>();
  public final Map<UUID, Place> places = new HashMap<>();

  /** The stages of this run; read once. */
  public static Stages known() {
    return KNOWN;
  }

  private static Stages load() {
    String query = "select id, tenant_id, pipeline_id from bench.stage order by pipeline_id, display_order";
    Stages stages = new Stages();
    try (Connection connection = Course.connect();
        ResultSet rows = connection.createStatement().executeQuery(query)) {
      while (rows.next()) {
        stages.add(rows.getObject(1, UUID.class), rows.getObject(2, UUID.class), rows.getObject(3, UUID.class));
      }
      return stages;
    } catch (SQLException error) {
      throw new IllegalStateException("the stages could not be read", error);
    }
  }

  private void add(UUID stage, UUID tenant, UUID pipeline) {
    if (pipelines.isEmpty() || !pipelines.get(pipelines.size() - 1).id().equals(pipeline)) {
      pipelines.add(new Pipeline(tenant, pipeline, new ArrayList<>()));
    }
    List<UUID> siblings = pipelines.get(pipelines.size() - 1).stages();
    places.put(stage, new Place(pipelines.size() - 1, siblings.size()));
    siblings.add(stage);
  }
}
