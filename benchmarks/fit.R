# Fits glmnet or nnet::multinom for benchmarks/peers.py.
# Usage: Rscript fit.R PEER FOLDER. Reads lines "tol max_iter" from stdin; answers each with
# "seconds iterations evaluations memory_mib", coefficients in FOLDER/coef.bin.

read_npy <- function(path) {
  con <- file(path, "rb")
  on.exit(close(con))
  readBin(con, "raw", 8)
  header <- rawToChar(readBin(con, "raw", readBin(con, "integer", 1, 2, signed = FALSE)))
  shape <- gsub("[^0-9 ]", "", sub(".*'shape': \\(([^)]*)\\).*", "\\1", header))
  shape <- as.integer(strsplit(trimws(shape), " +")[[1]])
  values <- readBin(con, if (grepl("<i4", header)) "integer" else "double", prod(shape))
  if (length(shape) == 2) matrix(values, shape[1], shape[2], byrow = TRUE) else values
}

read_X <- function(folder) {
  part <- function(name) read_npy(file.path(folder, paste0(name, ".npy")))
  if (file.exists(file.path(folder, "X.npy"))) return(part("X"))
  rows <- Matrix::sparseMatrix(j = part("indices"), p = part("indptr"), x = part("data"),
                               dims = part("shape"), index1 = FALSE, repr = "R")
  as(rows, "CsparseMatrix")
}

# Resident memory now ("VmRSS") or at its peak ("VmHWM"), MiB; NA where the system does not tell.
memory <- function(field) {
  if (!file.exists("/proc/self/status")) return(NA)
  line <- grep(field, readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

# Classes in rows, the intercept in the first column.
fit_glmnet <- function(tol, max_iter) {
  binary <- is.factor(y) && nlevels(y) == 2
  mass <- if (is.matrix(y)) sum(y) else length(y)
  # Alone, a small lambda takes glmnet far longer than at the end of a path, or it diverges.
  path <- exp(seq(log(0.5), -log(mass), length.out = 10))
  # With two classes the penalty is on the one logit, as everywhere else here.
  fit <- glmnet::glmnet(X, y, family = if (binary) "binomial" else "multinomial", alpha = 0,
                        lambda = path, standardize = FALSE, thresh = tol, maxit = 1e5)
  last <- function(b) as.vector(b[, ncol(b)])
  b <- coef(fit)
  list(coef = if (binary) t(last(b)) else t(sapply(b, last)), iterations = fit$npasses)
}

fit_multinom <- function(tol, max_iter) {
  fit <- nnet::multinom(y ~ X, maxit = max_iter, reltol = tol, abstol = 0, trace = FALSE,
                        MaxNWts = 1e6)
  b <- coef(fit)
  list(coef = if (is.null(dim(b))) t(b) else rbind(0, b), iterations = NA)
}

arguments <- commandArgs(trailingOnly = TRUE)
fit <- list(glmnet = fit_glmnet, multinom = fit_multinom)[[arguments[1]]]
package <- c(glmnet = "glmnet", multinom = "nnet")[[arguments[1]]]
folder <- arguments[2]
if (!requireNamespace(package, quietly = TRUE)) {
  cat("R package", package, "is not installed\n")
  quit()
}
X <- read_X(folder)
y <- read_npy(file.path(folder, "y.npy"))
if (!is.matrix(y)) y <- factor(y)
invisible(gc())
before <- memory("VmRSS")
# Reading took more than the data: the peak has to start anew.
try(suppressWarnings(cat("5", file = "/proc/self/clear_refs")), silent = TRUE)
cat("ready\n")
requests <- file("stdin", "r")
while (length(line <- readLines(requests, 1)) > 0) {
  request <- as.numeric(strsplit(line, " ")[[1]])
  start <- proc.time()[["elapsed"]]
  result <- suppressWarnings(fit(request[1], request[2]))
  seconds <- proc.time()[["elapsed"]] - start
  writeBin(as.vector(t(result$coef)), file.path(folder, "coef.bin"))
  cat(seconds, result$iterations, NA, memory("VmHWM") - before, "\n")
}
