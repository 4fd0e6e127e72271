/** The console: it asks the instance that served it, and draws what it answers. */

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router/dom";

import { ApiError } from "./api/client";
import { Toasts } from "./components/toasts";
import { router } from "./router";
import "./styles/main.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // Changes are told by events; what is there is good until one comes.
      staleTime: 60_000,
      refetchOnWindowFocus: false,
      retry: (times, error) => times < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
  },
});

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <Toasts>
          <RouterProvider router={router} />
        </Toasts>
      </QueryClientProvider>
    </StrictMode>,
  );
