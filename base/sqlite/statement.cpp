#include "base/sqlite/statement.hpp"

#include <sqlite3.h>

#include "base/sqlite/error.hpp"

namespace gantry::sqlite {

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

void Statement::check_bind(int rc, int index) {
    if (rc != SQLITE_OK && bound_) {
        bound_ = error_of(database_, rc).in("parameter " + std::to_string(index));
    }
}

Statement& Statement::bind(int index, int64_t value) {
    check_bind(sqlite3_bind_int64(statement_.get(), index, value), index);
    return *this;
}

Statement& Statement::bind(int index, double value) {
    check_bind(sqlite3_bind_double(statement_.get(), index, value), index);
    return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
    // An empty view may have no address, which SQLite would take for NULL.
    const char* data = text.data() != nullptr ? text.data() : "";
    check_bind(sqlite3_bind_text64(statement_.get(), index, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8), index);
    return *this;
}

Statement& Statement::bind_null(int index) {
    check_bind(sqlite3_bind_null(statement_.get(), index), index);
    return *this;
}

Result<bool> Statement::step() {
    if (!bound_) {
        return bound_.error();
    }
    const int rc = sqlite3_step(statement_.get());
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        return rc == SQLITE_ROW;
    }
    Error error = error_of(database_, rc);
    sqlite3_reset(statement_.get());
    return error;
}

Status Statement::run() {
    const auto stepped = step();
    reset();
    return stepped ? ok() : Status(stepped.error());
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

double Statement::number(int column) const { return sqlite3_column_double(statement_.get(), column); }

std::string Statement::text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
    return bytes != nullptr ? std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)))
                            : std::string();
}

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }

}  // namespace gantry::sqlite
