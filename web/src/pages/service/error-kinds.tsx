import type { ReactNode } from "react";
import { useGet } from "../../api/use-get";
import { ErrorTable } from "../../components/view/error-table";
import { Empty } from "../../components/view/empty";
import { QueryView } from "../../components/view/query-view";
import { useTimeRange } from "../../state/time-range";

/** Failed spans of the service by what they say. */
export function ErrorKinds({ service, operation }: { service: string; operation: string | undefined }): ReactNode {
  const range = useTimeRange();
  const errors = useGet("/api/v1/errors", {
    params: { query: { ...range.query, service, ...(operation === undefined ? {} : { operation }) } },
  });
  return (
    <QueryView query={errors}>
      {(data) =>
        data.errors.length === 0 ? (
          <Empty title="No span failed in this range" />
        ) : (
          <ErrorTable errors={data.errors} withService={false} />
        )
      }
    </QueryView>
  );
}
