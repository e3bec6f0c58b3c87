import "./boot";
import "@fontsource-variable/inter";
import "./mantine.css";
import "./style.css";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiProblem } from "./api/client";
import { announceNonce, nonce } from "./lib/nonce";
import { router } from "./router";
import { cssVariablesResolver, theme } from "./theme";

announceNonce();

const RETRIES = 2;

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      // A refusal stays one; an engine that is restarting is back in a second or two.
      retry: (failures, error) =>
        failures < RETRIES && error instanceof ApiProblem && (error.status === 0 || error.status === 503),
      retryDelay: (failures) => 700 * 2 ** failures,
    },
  },
});

const root = document.getElementById("root");
if (root === null) throw new Error("The document has no #root");
createRoot(root).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariablesResolver}
      defaultColorScheme="auto"
      getStyleNonce={() => nonce}
    >
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
