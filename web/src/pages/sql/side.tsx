import { Button, TextInput, UnstyledButton } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useGet } from "../../api/use-get";
import { QueryView } from "../../components/view/query-view";
import { sqlAsks } from "./asks";
import { forgetAll, useHistory } from "./history";
import classes from "./sql.module.css";

/** The tables and their columns; a click puts a name into the statement. */
export function SchemaBrowser({ onInsert }: { onInsert: (text: string) => void }): ReactNode {
  const [wanted, setWanted] = useState("");
  const query = useGet(...sqlAsks().schema);
  const looked = wanted.trim().toLowerCase();
  return (
    <section aria-label="Schema" className={classes["schema"]}>
      <TextInput
        aria-label="Find a table or column"
        placeholder="Find a table or column"
        value={wanted}
        onChange={(event) => setWanted(event.currentTarget.value)}
      />
      <QueryView query={query} lines={10}>
        {({ tables }) => (
          <div className={classes["tables"]}>
            {tables
              .map((table) => ({
                ...table,
                shown: table.name.includes(looked)
                  ? table.columns
                  : table.columns.filter(({ name }) => name.toLowerCase().includes(looked)),
              }))
              .filter(({ shown }) => shown.length > 0)
              .map((table) => (
                <details key={table.name} open={looked !== ""}>
                  <summary>{table.name}</summary>
                  <ul>
                    <li>
                      <UnstyledButton onClick={() => onInsert(table.name)}>
                        <span>Insert “{table.name}”</span>
                      </UnstyledButton>
                    </li>
                    {table.shown.map(({ name, type }) => (
                      <li key={name}>
                        <UnstyledButton onClick={() => onInsert(insertable(name))} title={`${name} ${type}`}>
                          <span className="mono">{name}</span>
                          <small className="ellipsis">{shortType(type)}</small>
                        </UnstyledButton>
                      </li>
                    ))}
                  </ul>
                </details>
              ))}
          </div>
        )}
      </QueryView>
    </section>
  );
}

/** A name as a statement can hold it. */
function insertable(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : `\`${name}\``;
}

function shortType(type: string): string {
  return type.replaceAll("LowCardinality(String)", "String").replaceAll(", 'UTC'", "");
}

/** What ran in this browser. */
export function History({ onOpen }: { onOpen: (sql: string) => void }): ReactNode {
  const statements = useHistory();
  if (statements.length === 0) return null;
  return (
    <section aria-label="History" className={classes["history"]}>
      <header>
        <h2>History</h2>
        <Button variant="subtle" color="gray" onClick={forgetAll}>
          Clear
        </Button>
      </header>
      <ol>
        {statements.map((sql) => (
          <li key={sql}>
            <UnstyledButton onClick={() => onOpen(sql)} title={sql} className="mono ellipsis">
              {sql.replaceAll(/\s+/g, " ")}
            </UnstyledButton>
          </li>
        ))}
      </ol>
    </section>
  );
}
