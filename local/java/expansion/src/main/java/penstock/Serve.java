package penstock;

import java.util.Arrays;
import org.apache.beam.sdk.expansion.service.ExpansionServer;
import org.apache.beam.sdk.expansion.service.ExpansionService;
import org.apache.beam.sdk.expansion.service.ExpansionServiceOptions;
import org.apache.beam.sdk.options.PipelineOptionsFactory;

/**
 * Serves Beam's expansion service until it is ended: {@code java -jar expansion-service.jar PORT [OPTIONS]}.
 *
 * <p>The arguments are those of Beam's own program, which listens on every interface; this one listens on
 * the loopback device alone.
 */
public final class Serve {
  private Serve() {}

  public static void main(String[] arguments) throws Exception {
    PipelineOptionsFactory.register(ExpansionServiceOptions.class);
    String[] options = Arrays.copyOfRange(arguments, 1, arguments.length);
    ExpansionService service = new ExpansionService(PipelineOptionsFactory.fromArgs(options).create());
    ExpansionServer.create(service, "localhost", Integer.parseInt(arguments[0]));
    // The server's own threads do not keep the process alive.
    Thread.currentThread().join();
  }
}
