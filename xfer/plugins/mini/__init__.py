"""The bundled suite `mini`: a generated world in six languages."""
